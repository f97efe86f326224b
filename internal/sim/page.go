package sim

import (
	"bytes"
	"embed"
	"html/template"

	"github.com/gofiber/fiber/v2"
)

//go:embed page
var pageFiles embed.FS

var pageIndex = template.Must(template.ParseFS(pageFiles, "page/index.html"))

// page serves the people's page: a document, a style sheet and a script that
// use nothing but /sim/… of the same address.
func (s *Sim) page(app *fiber.App) {
	app.Get("/", func(c *fiber.Ctx) error {
		var b bytes.Buffer
		err := pageIndex.Execute(&b, map[string]string{
			"Product": *s.product.Load(),
			"Robot":   s.dir.Load().city.Robot,
		})
		if err != nil {
			return err
		}
		return asset(c, "html", b.Bytes())
	})
	for _, name := range []string{"style.css", "app.js"} {
		app.Get("/page/"+name, func(c *fiber.Ctx) error {
			b, err := pageFiles.ReadFile("page/" + name)
			if err != nil {
				return err
			}
			_, kind, _ := bytes.Cut([]byte(name), []byte("."))
			return asset(c, string(kind), b)
		})
	}
}

func asset(c *fiber.Ctx, kind string, b []byte) error {
	c.Type(kind, "utf-8")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.Send(b)
}
