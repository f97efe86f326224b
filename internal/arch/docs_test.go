package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// atRunTime are folders that documents speak of and no checkout has.
var atRunTime = []string{"data", "keys", "world", "data-folder", "demo-data", "data_dir", "keys_dir", "DIR"}

func TestFilesNamedInDocumentsExist(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	if len(documents) == 0 {
		t.Fatalf("no documents found below %s", root)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range missing(string(text), exists, filepath.Dir(document)) {
			t.Errorf("%s names %s, which does not exist", document, name)
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func TestNamedFilesAreFound(t *testing.T) {
	there := func(name string) bool {
		return slices.Contains([]string{"/r/venue", "/r/venue/daily", "/r/venue/daily/parse.go", "/r/docs/scale.md", "/r/.ci/run"}, strings.Replace(name, root, "/r", 1))
	}
	for _, c := range []struct{ name, text, want string }{
		{"a file in backticks", "see `venue/daily/parse.go`", ""},
		{"a file that moved", "see `venue/daily/parser.go`", "venue/daily/parser.go"},
		{"a folder that moved", "in `venues/daily`", "venues/daily"},
		{"a trailing slash", "in `venue/`", ""},
		{"a line of a file", "see `venue/daily/parse.go:12`", ""},
		{"a name in a package", "`venue/daily.Parse` reads it", ""},
		{"a name in a package that moved", "`venue/dayly.Parse` reads it", "venue/dayly"},
		{"a command's argument", "run `go test ./venue/dayly`", "./venue/dayly"},
		{"all packages", "run `go test ./...`", ""},
		{"a file beside the document", "[scale](scale.md)", ""},
		{"a link's anchor", "[scale](scale.md#sizes)", ""},
		{"a link that broke", "[scale](scales.md)", "scales.md"},
		{"a link to the web", "[Go](https://go.dev/dl/)", ""},
		{"a file without folder", "see `gone.md`", "gone.md"},
		{"a hidden folder", "run `.ci/run`", ""},
		{"a route", "call `/api/v1/scans`", ""},
		{"a module", "uses `github.com/gofiber/fiber`", ""},
		{"a media type", "as `application/json`", ""},
		{"a time zone", "in `Asia/Shanghai`", ""},
		{"a placeholder", "in `DIR/data` or `<folder>/x`", ""},
		{"what exists at run time", "kept in `data/store`", ""},
		{"an example's output", "```\n`nowhere/at.go`\n```", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(missing(c.text, there, "/r/docs"), " "); got != c.want {
				t.Errorf("missing in %q: got %q, want %q", c.text, got, c.want)
			}
		})
	}
}

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	backtick = regexp.MustCompile("`([^`\n]+)`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)

	pathLike = regexp.MustCompile(`^(\./|\.)?[a-z0-9_][\w.-]*(/[\w.-]+)*/?$`)
	fileLike = regexp.MustCompile(`^[\w.-]+\.(go|md|mod|sum|yaml|yml|json|html|css|js|sh|txt)$`)
	suffix   = regexp.MustCompile(`(:\d+|\.[A-Z]\w*)$`)
)

// missing are the relative paths that a document names and that are not there.
// dir is where the document lies.
func missing(text string, there func(string) bool, dir string) (names []string) {
	text = fence.ReplaceAllString(text, "")
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target == "" || strings.Contains(target, ":") || strings.HasPrefix(target, "/") {
			continue
		}
		if !there(filepath.Join(dir, target)) {
			names = append(names, target)
		}
	}
	for _, m := range backtick.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		for _, word := range words {
			if len(words) > 1 && !strings.HasPrefix(word, "./") {
				continue // a word of a command
			}
			name := word
			if !fileLike.MatchString(name) {
				name = suffix.ReplaceAllString(name, "")
			}
			if !isPath(name) {
				continue
			}
			if !there(filepath.Join(root, name)) && !there(filepath.Join(dir, name)) {
				names = append(names, name)
			}
		}
	}
	return names
}

// isPath tells a path of the repository from the other things that stand in
// backticks with a slash or a dot in them.
func isPath(s string) bool {
	if fileLike.MatchString(s) {
		return true
	}
	first, _, folder := strings.Cut(strings.TrimPrefix(s, "./"), "/")
	switch {
	case !folder || !pathLike.MatchString(s) || strings.Contains(s, "..."):
		return false
	case strings.Contains(strings.TrimPrefix(first, "."), "."): // a host
		return false
	case first == "application" || first == "text": // a media type
		return false
	}
	return !slices.Contains(atRunTime, first)
}
