package configs

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/venue"
)

//go:embed regulators.yaml
var shippedRegulators []byte

// Regulators is who regulates which places; regulators.yaml says from where. The
// last row, without a name, has the types for which the notice names nobody.
var Regulators = sync.OnceValue(func() []venue.Regulator {
	list, err := parseRegulators(shippedRegulators)
	if err != nil {
		panic("regulators.yaml: " + err.Error()) // embedded, and tested
	}
	return list
})

func parseRegulators(b []byte) ([]venue.Regulator, error) {
	var file struct {
		Regulators []struct {
			Name  string   `yaml:"name"`
			Types []string `yaml:"types"`
		} `yaml:"regulators"`
		Unnamed []string `yaml:"unnamed"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var list []venue.Regulator
	named := map[string]bool{}
	check := func(of string, types []string) {
		for i, t := range types {
			if clean, err := venue.ParseTitle("type", t, 1, 30); err != nil || clean != t {
				fault("%s: type %q is no name", of, t)
			} else if slices.Contains(types[:i], t) {
				fault("%s: type %s stands twice", of, t)
			}
		}
	}
	for _, r := range file.Regulators {
		switch {
		case r.Name == "" || len(r.Types) == 0:
			fault("a regulator without name or types")
		case slices.ContainsFunc(list, func(o venue.Regulator) bool { return o.Name == r.Name }):
			fault("%s stands twice", r.Name)
		}
		check(r.Name, r.Types)
		for _, t := range r.Types {
			named[t] = true
		}
		list = append(list, venue.Regulator{Name: r.Name, Types: r.Types})
	}
	check("unnamed", file.Unnamed)
	for _, t := range file.Unnamed {
		if named[t] {
			fault("type %s has a regulator and has none", t)
		}
	}
	return append(list, venue.Regulator{Types: file.Unnamed}), errors.Join(errs...)
}
