package main

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// openDocument is openapi.json as it was parsed. What follows checks values
// against the part of JSON Schema 2020-12 that the document uses; a keyword
// that is not known here is a fault, so that a misspelt one can not stand for
// nothing.
type openDocument object

// follow resolves a reference, or gives o itself.
func (d openDocument) follow(o object) (object, error) {
	target, ok := o["$ref"].(string)
	if !ok {
		return o, nil
	}
	var at any = object(d)
	path, ok := strings.CutPrefix(target, "#/")
	for _, part := range strings.Split(path, "/") {
		in, _ := at.(object)
		if at = in[part]; at == nil || !ok {
			return nil, fmt.Errorf("%s leads nowhere", target)
		}
	}
	out, ok := at.(object)
	if !ok {
		return nil, fmt.Errorf("%s is no object", target)
	}
	return out, nil
}

// annotations say something to people only.
var annotations = []string{"description", "title", "default", "example", "examples", "xml", "format"}

// check says what is wrong with a value. A field that a schema of type object
// does not name is a fault: an answer must not say more than is documented.
func (d openDocument) check(schema object, value any, at string) (faults []string) {
	wrong := func(format string, args ...any) {
		faults = append(faults, at+" "+fmt.Sprintf(format, args...))
	}
	number, _ := value.(float64)
	text, isText := value.(string)
	list, isList := value.([]any)
	fields, isObject := value.(object)
	for _, keyword := range sortedKeys(schema) {
		switch arg := schema[keyword]; keyword {
		case "$ref":
			target, err := d.follow(schema)
			if err != nil {
				wrong("%v", err)
				continue
			}
			faults = append(faults, d.check(target, value, at)...)
		case "type":
			may, several := arg.([]any)
			if !several {
				may = []any{arg}
			}
			if is := typeOf(value); !slices.ContainsFunc(may, func(t any) bool { return t == any(is) || t == "number" && is == "integer" }) {
				wrong("is a %s, want %v", typeOf(value), arg)
			}
		case "const":
			if !reflect.DeepEqual(value, arg) {
				wrong("is %v, want %v", value, arg)
			}
		case "enum":
			if !slices.ContainsFunc(arg.([]any), func(o any) bool { return reflect.DeepEqual(o, value) }) {
				wrong("is %v, want one of %v", value, arg)
			}
		case "pattern":
			if isText && !regexp.MustCompile(arg.(string)).MatchString(text) {
				wrong("is %q, want %v", text, arg)
			}
		case "minLength", "maxLength":
			if n := float64(utf8.RuneCountInString(text)); isText && outside(keyword, n, arg) {
				wrong("has %v characters, %s is %v", n, keyword, arg)
			}
		case "minimum", "maximum":
			if outside(keyword, number, arg) {
				wrong("is %v, %s is %v", number, keyword, arg)
			}
		case "maxItems":
			if n := float64(len(list)); isList && outside(keyword, n, arg) {
				wrong("has %v items, %s is %v", n, keyword, arg)
			}
		case "items":
			for i, item := range list {
				faults = append(faults, d.check(arg.(object), item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "required":
			for _, name := range arg.([]any) {
				if _, ok := fields[name.(string)]; isObject && !ok {
					wrong("lacks %v", name)
				}
			}
		case "properties":
			for _, name := range sortedKeys(arg.(object)) {
				if inner, ok := fields[name]; ok {
					faults = append(faults, d.check(arg.(object)[name].(object), inner, at+"."+name)...)
				}
			}
		case "additionalProperties": // with type object, below
		case "anyOf", "oneOf":
			fits := 0
			for _, option := range arg.([]any) {
				if len(d.check(option.(object), value, at)) == 0 {
					fits++
				}
			}
			if fits == 0 || keyword == "oneOf" && fits > 1 {
				wrong("fits %d of %s", fits, keyword)
			}
		default:
			if !slices.Contains(annotations, keyword) {
				wrong("is judged by %q, which is not known", keyword)
			}
		}
	}
	if schema["type"] == "object" && schema["additionalProperties"] == nil {
		known, _ := schema["properties"].(object)
		for _, name := range sortedKeys(fields) {
			if known[name] == nil {
				wrong("has %s, which is not documented", name)
			}
		}
	}
	return faults
}

func outside(keyword string, n float64, limit any) bool {
	if strings.HasPrefix(keyword, "min") {
		return n < limit.(float64)
	}
	return n > limit.(float64)
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case object:
		return "object"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
	}
	return "number"
}

func sortedKeys(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func TestSchemaChecksCanFail(t *testing.T) {
	const named = `{"components":{"schemas":{"Name":{"type":"string","maxLength":3}}}}`
	for _, c := range []struct{ schema, good, bad string }{
		{`{"type":"string"}`, `"a"`, `1`},
		{`{"type":"integer"}`, `1`, `1.5`},
		{`{"type":"number"}`, `1`, `"1"`},
		{`{"type":"boolean"}`, `true`, `null`},
		{`{"type":["integer","null"]}`, `null`, `"1"`},
		{`{"type":"array","items":{"type":"string"}}`, `["a"]`, `["a",1]`},
		{`{"type":"array","maxItems":1}`, `[1]`, `[1,2]`},
		{`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"a":"b"}`, `{"a":1}`},
		{`{"type":"object","properties":{"a":{}}}`, `{"a":1}`, `{"b":1}`},
		{`{"type":"object","required":["a"],"additionalProperties":true}`, `{"a":1,"b":2}`, `{"b":2}`},
		{`{"const":"a"}`, `"a"`, `"b"`},
		{`{"enum":["a","b"]}`, `"b"`, `"c"`},
		{`{"pattern":"^a$"}`, `"a"`, `"ab"`},
		{`{"minLength":2}`, `"场所"`, `"场"`},
		{`{"maxLength":2}`, `"场所"`, `"场所码"`},
		{`{"minimum":0}`, `0`, `-1`},
		{`{"maximum":9}`, `9`, `10`},
		{`{"oneOf":[{"type":"string"},{"maxLength":1}]}`, `"ab"`, `"a"`},
		{`{"anyOf":[{"type":"string"},{"type":"boolean"}]}`, `true`, `1`},
		{`{"$ref":"#/components/schemas/Name","minLength":2}`, `"ab"`, `"abcd"`},
		{`{"$ref":"#/components/schemas/Name","minLength":2}`, `"ab"`, `"a"`},
		{`{"description":"kind"}`, `1`, ``},
		{`{"$ref":"#/components/schemas/Nobody"}`, ``, `1`},
		{`{"maxlength":2}`, ``, `"a"`},
	} {
		var d openDocument
		var schema object
		parse(t, named, &d)
		parse(t, c.schema, &schema)
		for text, expected := range map[string]bool{c.good: true, c.bad: false} {
			if text == "" {
				continue
			}
			var value any
			parse(t, text, &value)
			if got := d.check(schema, value, "value"); (len(got) == 0) != expected {
				t.Errorf("%s of %s: %v, want good %v", text, c.schema, got, expected)
			}
		}
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
