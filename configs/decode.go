package configs

import (
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// fieldsOf are a struct's option names, in its order. Fields that are no option
// stand last.
func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if name, ok := t.Field(i).Tag.Lookup("koanf"); ok {
			names = append(names, name)
		}
	}
	return names
}

// options are the paths of all options of Config; a map or list is one option.
func options() []string {
	var keys []string
	var walk func(path string, t reflect.Type)
	walk = func(path string, t reflect.Type) {
		if t.Kind() != reflect.Struct || t == secretType {
			keys = append(keys, path)
			return
		}
		for i, name := range fieldsOf(t) {
			walk(join(path, name), t.Field(i).Type)
		}
	}
	walk("", reflect.TypeFor[Config]())
	return keys
}

var secretType = reflect.TypeFor[Secret]()

// decode sets to from v, which is text, a list or a map. Not mapstructure: its
// errors quote the values.
func (l *loader) decode(key string, v any, to reflect.Value, tag reflect.StructTag) {
	switch to.Kind() {
	case reflect.Struct:
		if to.Type() != secretType {
			l.section(key, v, to)
			return
		}
	case reflect.Map:
		l.table(key, v, to)
		return
	case reflect.Slice:
		l.list(key, v, to, tag)
		return
	}
	text, ok := v.(string)
	switch m, measured := measures[to.Type()]; {
	case !ok:
		l.fault(key, "must be one value")
	case strings.ContainsFunc(text, forbidden):
		l.fault(key, "holds control or direction characters")
	case to.Type() == secretType:
		to.Set(reflect.ValueOf(l.secret(key, text, tag)))
	case measured:
		l.number(key, text, to, tag, m.name, m.read)
	case to.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			l.fault(key, "must be true or false")
		}
		to.SetBool(text == "true")
	default:
		words := strings.Split(tag.Get("oneof"), "|")
		if words[0] != "" && !slices.Contains(words, text) {
			l.fault(key, "must be one of %s", strings.Join(words, ", "))
		}
		to.SetString(text)
	}
}

// forbidden are characters that no option needs and that deceive the eye.
func forbidden(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\r' || unicode.Is(unicode.Bidi_Control, r)
}

func (l *loader) number(key, text string, to reflect.Value, tag reflect.StructTag, name string, read func(string) (int64, error)) {
	n, err := read(text)
	limits := tag.Get("range")
	if err != nil {
		if limits != "" {
			name += ", " + limits
		}
		l.fault(key, "must be %s", name)
		return
	}
	if least, most, ok := strings.Cut(limits, ".."); ok {
		// The tags are read by the test of the defaults.
		low, _ := read(least)
		high, _ := read(most)
		if n < low || n > high {
			l.fault(key, "must be within %s", limits)
			return
		}
	}
	to.SetInt(n)
}

func (l *loader) section(key string, v any, to reflect.Value) {
	values, ok := v.(map[string]any)
	if !ok {
		l.fault(key, "is a section: its options stand below it, indented")
		for _, o := range l.options {
			l.faulty[o] = l.faulty[o] || strings.HasPrefix(o, key+".")
		}
		return
	}
	names := fieldsOf(to.Type())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			l.unknownOption(key, name, names)
		}
	}
	for i, name := range names {
		if value, ok := values[name]; ok {
			l.decode(join(key, name), value, to.Field(i), to.Type().Field(i).Tag)
		}
	}
}

func (l *loader) unknownOption(section, name string, siblings []string) {
	key := shown(section, name)
	if slices.Contains(l.options, name) {
		l.fault(key, "must be written as sections, one name a line, each indented below the one before")
		return
	}
	meant := nearest(name, siblings)
	if meant != "" {
		meant = join(section, meant)
	} else {
		// The right name in the wrong section.
		i := slices.IndexFunc(l.options, func(o string) bool { return o[strings.LastIndex(o, ".")+1:] == name })
		if i >= 0 {
			meant = l.options[i]
		}
	}
	if meant == "" {
		l.fault(key, "is no option")
		return
	}
	l.fault(key, "is no option; did you mean %s?", meant)
}

// table decodes a map whose names are data.
func (l *loader) table(key string, v any, to reflect.Value) {
	values, ok := v.(map[string]any)
	if !ok {
		l.fault(key, "must be a table of name: value")
		return
	}
	to.Set(reflect.MakeMap(to.Type()))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		item := reflect.New(to.Type().Elem()).Elem()
		l.decode(shown(key, name), values[name], item, "")
		to.SetMapIndex(reflect.ValueOf(name), item)
	}
}

func (l *loader) list(key string, v any, to reflect.Value, tag reflect.StructTag) {
	items, ok := v.([]any)
	if text, plain := v.(string); plain && strings.HasPrefix(l.where[key].Source, "$") {
		items, ok = splitList(text), true
	}
	if !ok {
		l.fault(key, "must be a list, [] for none")
		return
	}
	list := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		if item == "" {
			l.fault(key, "has an empty entry")
		}
		l.decode(key, item, list.Index(i), tag)
	}
	least, most, _ := strings.Cut(tag.Get("count"), "..")
	low, _ := readInt(least)
	high, _ := readInt(most)
	if n := int64(len(items)); n < low || n > high {
		l.fault(key, "must have %s entries", tag.Get("count"))
	}
	to.Set(list)
}

// splitList is a list written in a variable, by commas.
func splitList(text string) []any {
	var items []any
	if strings.TrimSpace(text) == "" {
		return items
	}
	for part := range strings.SplitSeq(text, ",") {
		items = append(items, strings.TrimSpace(part))
	}
	return items
}

// largestSecret bounds a secret's file, in bytes.
const largestSecret = 64 << 10

var variableShape = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// public tells whether a store's address may stand in the file: nothing in it
// lets anybody in.
func public(store string) bool {
	s := strings.ToLower(store)
	for _, word := range []string{"@", "password", "token", "mechanismproperties"} {
		if strings.Contains(s, word) {
			return false
		}
	}
	return true
}

// secret follows a reference. Faults name neither file nor variable: a secret
// may stand there by mistake, and the line says enough.
func (l *loader) secret(key, text string, tag reflect.StructTag) Secret {
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		return l.secretFile(key, path)
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		l.refers[name] = true
		value, set := l.lookup(name)
		switch {
		case !variableShape.MatchString(name):
			l.fault(key, "env: must be followed by a variable's name")
		case !set:
			l.fault(key, "refers to a variable that is not set")
		case value == "":
			l.fault(key, "refers to a variable that is empty")
		}
		return NewSecret(value)
	}
	// What comes as a variable already stands outside the file.
	outside := strings.HasPrefix(l.where[key].Source, "$")
	if text != "" && !l.test && !outside && (tag.Get("literal") == "" || !public(text)) {
		l.fault(key, "is a secret in clear: put it in a file and write file:PATH here, or env:NAME")
	}
	return NewSecret(text)
}

func (l *loader) secretFile(key, path string) Secret {
	path, err := l.rooted(path)
	if err != nil {
		l.fault(key, "refers to a file that has no absolute path")
		return Secret{}
	}
	b, err := readSmall(path, largestSecret)
	value := strings.TrimRight(string(b), "\r\n")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.fault(key, "refers to a file that does not exist")
	case errors.Is(err, fs.ErrPermission):
		l.fault(key, "refers to a file that may not be read")
	case err != nil:
		l.fault(key, "refers to a file that cannot be read, or is no plain file of at most 64 KiB")
	case value == "":
		l.fault(key, "refers to an empty file")
	}
	return NewSecret(value)
}

// lookup is os.LookupEnv in the given environment; the last setting counts, as
// it does for the options.
func (l *loader) lookup(name string) (string, bool) {
	for _, entry := range slices.Backward(l.env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
