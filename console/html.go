package console

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

//go:embed pages
var files embed.FS

var css = func() string {
	b, err := files.ReadFile("pages/style.css")
	if err != nil {
		panic(err)
	}
	return string(b)
}()

// pages are the templates by name, each inside the frame.
var pages = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	names, err := files.ReadDir("pages")
	if err != nil {
		panic(err)
	}
	for _, f := range names {
		name, ok := strings.CutSuffix(f.Name(), ".html")
		if ok && name != "frame" {
			all[name] = template.Must(template.New("frame.html").Funcs(funcs).ParseFS(files, "pages/frame.html", path.Join("pages", f.Name())))
		}
	}
	return all
}()

var funcs = template.FuncMap{
	"t": func(word string) (string, error) {
		s, ok := words[word]
		if !ok {
			return "", fmt.Errorf("no text %q", word)
		}
		return s, nil
	},
	"finding":     func(k audit.Kind) string { return findingNames[k] },
	"role":        func(r access.Role) string { return roleNames[r] },
	"permission":  func(p access.Permission) string { return permissionNames[p] },
	"change":      func(kind string) string { return changeNames[kind] },
	"act":         func(act string) string { return requestNames[act] },
	"state":       func(state string) string { return requestStates[state] },
	"certificate": func(kind string) string { return certificateNames[kind] },
	"purpose": func(p string) string { // refused ones stand as they were asked for
		return cmp.Or(purposeNames[reveal.Purpose(p)], p)
	},
	"keyName": func(name string) string {
		kind, _, _ := strings.Cut(name, "/")
		return keyNames[kind]
	},
	"findings": func() []string {
		return []string{string(registry.FoundPosted), string(registry.FoundDamaged), string(registry.FoundMissing)}
	},
	"sheets":   func() []string { return []string{"A4", "A5"} },
	"purposes": func() []reveal.Purpose { return reveal.Purposes },
	"health":   func(h venue.Health) string { return healthNames[h] },
	"decision": func(d venue.Decision) string { return decisionNames[d] },
	"outcome": func(o string) string {
		if name, ok := outcomeNames[o]; ok {
			return name
		}
		return o
	},
	// name is a value of ours as officials read it.
	"name": func(of string, value any) string {
		s := fmt.Sprint(value)
		return cmp.Or(names[of][s], s)
	},
	"when": func(i instant) string {
		if i.IsZero() {
			return ""
		}
		return time.Time(i).In(venue.Zone).Format("01-02 15:04:05")
	},
	// on is for what may be years back.
	"on":        func(i instant) string { return minuteOf(time.Time(i)) },
	"thousands": thousands,
	// share is for beside the two numbers, never instead: cut down, so that what
	// lacks one is never all.
	"share": func(have, must int) string {
		if must == 0 {
			return words["coverage.none"]
		}
		return fmt.Sprintf("%d.%d%%", 100*have/must, 1000*have/must%10)
	},
	"classes": func() (list []venue.Category) {
		for c := venue.CategoryOrganisation; c <= venue.CategoryOther; c++ {
			list = append(list, c)
		}
		return list
	},
	"gaps": func() []registry.Gap {
		return []registry.Gap{registry.GapUnit, registry.GapCode, registry.GapIncomplete, registry.GapPosting}
	},
	"deref":  func(s *string) string { return *s },
	"sub":    func(a, b int) int { return a - b },
	"minute": func(i instant) string { return time.Time(i).In(venue.Zone).Format("2006-01-02T15:04") },
	"at":     func(t time.Time) string { return t.In(venue.Zone).Format("2006-01-02 15:04:05") },
	"roles": func() (list []access.Role) { // those that have accounts
		for _, r := range access.Roles() {
			if r != access.RoleProvince {
				list = append(list, r)
			}
		}
		return list
	},
}

// thousands writes 12345 as 12,345. No count is below nought.
func thousands(n any) string {
	s := fmt.Sprint(reflect.Indirect(reflect.ValueOf(n)))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// view is what a page knows.
type view struct {
	Page string
	Done string // what the act has done that led here
	Me   self
	Form string // the token that its forms carry
	Data any
	// Divisions name those that accounts have.
	Divisions *venue.Divisions
}

// Can tells whether a link is worth showing.
func (v view) Can(p access.Permission) bool {
	for _, own := range v.Me.Permissions {
		if own == p {
			return true
		}
	}
	return false
}

// Menu is what the account may see of the menu.
func (v view) Menu() (sections []section) {
	for _, s := range menu {
		s.Links = slices.DeleteFunc(slices.Clone(s.Links), func(l link) bool {
			return !v.Can(needs[l.Path]) || l.Path == doorsPage && v.Can(access.UnitsRead) // who sees units finds doors there
		})
		if len(s.Links) > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

// tab is a page beside the one that is shown.
type tab struct {
	link
	Here bool
}

// Tabs are the pages on coverage.
func (v view) Tabs() (tabs []tab) {
	for _, l := range coverageLinks {
		if v.Can(needs[l.Path]) {
			tabs = append(tabs, tab{l, path.Base(l.Path) == v.Page})
		}
	}
	return tabs
}

// needs are the permissions of the pages by path.
var needs = func() map[string]access.Permission {
	all := map[string]access.Permission{}
	for _, r := range table {
		if r.method == fiber.MethodGet {
			all[r.path] = r.need
		}
	}
	return all
}()

func (h *Handler) render(c *call, page string, data any) error {
	t, ok := pages[page]
	if !ok {
		return fmt.Errorf("no page %q", page)
	}
	v := view{Page: page, Done: doneWords[c.Query(doneQuery)], Data: data, Divisions: h.Divisions}
	if c.by.User() != "" {
		v.Me, v.Form = me(c.by), formToken(c.token)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Send(b.Bytes())
}
