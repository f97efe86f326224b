// Package declared reads the constants of a package from its source, so that a test
// can hold a table against all of them, the one of tomorrow too.
package declared

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Of gives the values, sorted, of the constants of text that the package in the folder
// dir declares: those of the type called name or, where there are none, those without
// a type whose own name begins with it. Nothing at all is a failure.
func Of(t testing.TB, dir, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var typed, named []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == name {
				typed = append(typed, value)
			} else if spec.Type == nil && strings.HasPrefix(spec.Names[0].Name, name) {
				named = append(named, value)
			}
			return true
		})
	}
	if len(typed) == 0 {
		typed = named
	}
	if len(typed) == 0 {
		t.Fatalf("%s declares no %s", dir, name)
	}
	slices.Sort(typed)
	return typed
}
