package configs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// largestFile bounds a configuration file, in bytes.
const largestFile = 1 << 20

// Load reads the configuration file at path; env is the environment, as from
// os.Environ. A configuration that may not be used gives Faults.
func Load(path string, env []string) (*Config, error) {
	b, err := readSmall(path, largestFile)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return LoadBytes(path, b, env)
}

// LoadBytes is Load of a file already read. Its name is quoted in faults, and
// relative paths start at its folder.
func LoadBytes(name string, b []byte, env []string) (*Config, error) {
	l := &loader{
		name:    name,
		env:     env,
		options: options(),
		where:   map[string]Fault{},
		faulty:  map[string]bool{},
		refers:  map[string]bool{},
	}
	values, err := l.layers(b)
	if err != nil {
		return nil, err
	}
	c := &Config{Test: values["test"] == "true"}
	l.test = c.Test
	l.decode("", values, reflect.ValueOf(c).Elem(), "")
	l.strangers()
	l.validate(c)
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, byPlace)
		return nil, append(l.faults, l.elsewhere...)
	}
	return c, nil
}

// loader collects what is wrong on the way, at most one fault per option: a
// value that cannot be read is not also missing or too large.
type loader struct {
	name    string
	env     []string
	test    bool
	options []string         // every option's path
	where   map[string]Fault // path → where its value was written (Source, Line)
	faulty  map[string]bool
	refers  map[string]bool // variables named by env: references
	unknown []string        // VENUECODE_… variables that name no option
	faults  Faults

	elsewhere Faults // in files that an option names
}

func (l *loader) fault(key, format string, args ...any) {
	if l.faulty[key] {
		return
	}
	l.faulty[key] = true
	f := l.where[key]
	if f.Source == "" {
		f.Source = l.name
	}
	f.Key, f.Problem = key, fmt.Sprintf(format, args...)
	l.faults = append(l.faults, f)
}

// byPlace orders faults: lines of the file, then what has no line, then
// variables; by name within these.
func byPlace(a, b Fault) int {
	rank := func(f Fault) int {
		switch {
		case f.Line > 0:
			return f.Line
		case !strings.HasPrefix(f.Source, "$"):
			return largestFile + 1
		}
		return largestFile + 2
	}
	return cmp.Or(rank(a)-rank(b), strings.Compare(a.Key, b.Key))
}

// delim joins names for koanf only; a file name in domain_checks has dots.
const delim = "/"

// layers puts the three sources on top of one another. Leaves are the text
// written, lists of it, or, for a name without value, an empty map.
func (l *loader) layers(b []byte) (map[string]any, error) {
	k := koanf.New(delim)
	base := parser((&loader{where: map[string]Fault{}, faulty: map[string]bool{}}).document)
	if err := k.Load(rawbytes.Provider(defaults), base); err != nil {
		return nil, fmt.Errorf("default.yaml: %w", err)
	}
	if err := k.Load(rawbytes.Provider(b), parser(l.document)); err != nil {
		return nil, err
	}
	variables := env.Provider(delim, env.Opt{
		Prefix:        prefix,
		EnvironFunc:   func() []string { return l.env },
		TransformFunc: l.variable,
	})
	if err := k.Load(variables, nil); err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	return k.Raw(), nil
}

// parser makes a function a koanf.Parser. koanf's own YAML parser resolves
// types, which turns an AppID of digits into a number and loses the lines.
type parser func([]byte) (map[string]any, error)

func (p parser) Unmarshal(b []byte) (map[string]any, error) { return p(b) }

func (parser) Marshal(map[string]any) ([]byte, error) { return nil, errors.ErrUnsupported }

// document reads YAML into maps, lists and texts, noting each name's line.
func (l *loader) document(b []byte) (map[string]any, error) {
	var doc yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(b))
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return map[string]any{}, nil
	case err != nil:
		return nil, Faults{syntax(l.name, err)}
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, Faults{syntax(l.name, err)}
		}
		return nil, Faults{{Source: l.name, Problem: "holds more than one document (---)"}}
	}
	values, ok := l.tree("", doc.Content[0]).(map[string]any)
	if !ok {
		return nil, Faults{{Source: l.name, Line: doc.Content[0].Line, Problem: "must be options, one per line, as name: value"}}
	}
	return values, nil
}

func (l *loader) tree(path string, n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			sub := shown(path, key.Value)
			if _, again := m[key.Value]; again {
				l.fault(sub, "is given again on line %d", key.Line)
				continue
			}
			l.where[sub] = Fault{Source: l.name, Line: key.Line}
			m[key.Value] = l.tree(sub, value)
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = l.tree(path, item)
		}
		return list
	case yaml.AliasNode:
		l.fault(path, "anchors and aliases (& *) are not used here; put a value that begins with * in quotes")
		return ""
	}
	if n.ShortTag() == "!!null" {
		return map[string]any{} // merges into a section, is missing as a value
	}
	return n.Value
}

var (
	quoted   = regexp.MustCompile("'[^' ]{2,}'|`[^`]{2,}`")
	lineText = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)`)
)

// syntax is a YAML error without what it quotes, which may be part of a secret.
func syntax(name string, err error) Fault {
	m := lineText.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line, _ := strconv.Atoi(m[1])
	return Fault{Source: name, Line: line, Problem: "is not YAML: " + quoted.ReplaceAllString(m[2], "…")}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// plainName is what a name must look like to be shown: a slip like
// {secret:value} makes a name of a secret. Names are words of at most 31
// characters, or the digits of a division; the platforms' keys have 32 and more,
// a phone has 11.
var plainName = regexp.MustCompile(`^(?:[A-Za-z_][0-9A-Za-z_.-]{0,30}|[0-9]{1,10}|[0-9]{12})$`)

// shown is join for names from outside.
func shown(path, name string) string {
	if !plainName.MatchString(name) {
		name = "?"
	}
	return join(path, name)
}

// prefix of the variables that set options.
const prefix = "VENUECODE_"

// variableName of an option: wechat.secret is VENUECODE_WECHAT__SECRET.
func variableName(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// variable takes one variable of the environment for the option it names.
func (l *loader) variable(name, value string) (string, any) {
	i := slices.IndexFunc(l.options, func(key string) bool { return variableName(key) == name })
	if i < 0 {
		l.unknown = append(l.unknown, name)
		return "", nil
	}
	key := l.options[i]
	l.where[key] = Fault{Source: "$" + name}
	return strings.ReplaceAll(key, ".", delim), value
}

// ours are VENUECODE_ variables that are no options: the tests' MongoDB server,
// and what Kubernetes sets for a service called venuecode.
var ours = regexp.MustCompile(`^VENUECODE_(MONGO$|SERVICE_|PORT(_|$))`)

// strangers are variables that were meant to set something and do not.
func (l *loader) strangers() {
	slices.Sort(l.unknown)
	var names []string
	for _, key := range l.options {
		names = append(names, variableName(key))
	}
	for _, name := range slices.Compact(l.unknown) {
		if l.refers[name] || ours.MatchString(name) {
			continue
		}
		problem := "sets no option"
		if n := nearest(strings.ToUpper(name), names); n != "" {
			problem += "; did you mean " + n + "?"
		}
		l.faults = append(l.faults, Fault{Source: "$" + name, Problem: problem})
	}
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	// A pipe would block the start, a device never end.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", limit)}
	}
	return b, err
}

// rooted makes path absolute, from the configuration file's folder.
func (l *loader) rooted(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.name), path)
	}
	return filepath.Abs(path)
}
