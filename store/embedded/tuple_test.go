package embedded

import (
	"bytes"
	"cmp"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A value in index order is first told apart by its type.
var anyValue = rapid.OneOf(
	rapid.Custom(func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }),
	rapid.Custom(func(t *rapid.T) any {
		return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, -1, 1, math.MaxInt64, math.MinInt64})).Draw(t, "int")
	}),
	rapid.Custom(func(t *rapid.T) any {
		return time.UnixMilli(rapid.Int64Range(-1e14, 1e14).Draw(t, "ms")).UTC()
	}),
	rapid.Custom(func(t *rapid.T) any {
		return string(rapid.SliceOf(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xFE, 0xFF})).Draw(t, "string"))
	}),
	rapid.Custom(func(t *rapid.T) any {
		return rapid.SliceOf(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xFE, 0xFF})).Draw(t, "bytes")
	}),
)

// compare is the order that the contract promises.
func compare(a, b any) int {
	rank := func(v any) int {
		switch v.(type) {
		case bool:
			return 0
		case int64:
			return 1
		case time.Time:
			return 2
		case string:
			return 3
		}
		return 4
	}
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case bool:
		if a == b.(bool) {
			return 0
		} else if a {
			return 1
		}
		return -1
	case int64:
		return cmp.Compare(a, b.(int64))
	case time.Time:
		return a.Compare(b.(time.Time))
	case string:
		return cmp.Compare(a, b.(string))
	}
	return bytes.Compare(a.([]byte), b.([]byte))
}

func TestTuplesOrderAsTheirValuesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		as := rapid.SliceOfN(anyValue, 3, 3).Draw(t, "a")
		bs := rapid.SliceOfN(anyValue, 3, 3).Draw(t, "b")
		copy(bs, as[:rapid.IntRange(0, 3).Draw(t, "same")])
		want := 0
		var a, b []byte
		for i := range as {
			want = cmp.Or(want, compare(as[i], bs[i]))
			a, _ = appendValue(a, as[i])
			b, _ = appendValue(b, bs[i])
		}
		if got := bytes.Compare(a, b); got != want {
			t.Fatalf("%v against %v is %d by bytes, %d by value", as, bs, got, want)
		}
	})
}

func TestTuplesComeBackWhateverFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(anyValue).Draw(t, "values")
		id := rapid.SliceOf(rapid.Byte()).Draw(t, "id")
		var b []byte
		for _, v := range want {
			b, _ = appendValue(b, v)
		}
		b = append(b, id...)
		if rest, err := cutTuple(b, len(want)); err != nil || !bytes.Equal(rest, id) {
			t.Fatalf("rest %x, %v; want %x", rest, err, id)
		}
		for _, w := range want {
			v, rest, err := cutValue(b)
			if err != nil || compare(v, w) != 0 {
				t.Fatalf("got %v, %v; want %v", v, err, w)
			}
			b = rest
		}
	})
}

func TestAValueOfNoIndexTypeIsRefused(t *testing.T) {
	for _, v := range []any{nil, 1.5, uint8(1), struct{}{}, []string{"a"}} {
		if _, err := appendValue(nil, v); err == nil {
			t.Errorf("%T was taken", v)
		}
	}
}

// What decodes at all is the one encoding of its value.
func FuzzCutValue(f *testing.F) {
	for _, v := range []any{true, int64(-1), time.UnixMilli(5), "a\x00b", []byte{0xFF, 0}} {
		b, _ := appendValue(nil, v)
		f.Add(b)
	}
	f.Add([]byte{tagString, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := cutValue(b)
		if err != nil {
			return
		}
		again, err := appendValue(nil, v)
		if err != nil || !bytes.Equal(append(again, rest...), b) {
			t.Fatalf("%x is %v, which is %x, %v", b, v, again, err)
		}
	})
}

func TestTheEndOfAPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, want []byte }{
		{[]byte("a"), []byte("b")},
		{[]byte{1, 0xFF}, []byte{2}},
		{[]byte{0xFF, 0xFF}, nil},
		{nil, nil},
	} {
		if got := behind(c.prefix); !reflect.DeepEqual(got, c.want) {
			t.Errorf("behind %x is %x, want %x", c.prefix, got, c.want)
		}
	}
}
