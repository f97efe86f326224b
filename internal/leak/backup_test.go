package leak

import (
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/backup"
	"github.com/venuecode/venuecode/store/embedded"
)

// backups are damaged, and put where they do not belong.
func backups(o *out) {
	ctx, quiet := o.Context(), func(int64) {}
	memory := func(fields ...string) *embedded.Engine {
		e := must[*embedded.Engine](o)(embedded.Open(embedded.Options{Dir: o.TempDir(), Logger: o.log, Schemas: []store.Schema{
			{Name: "t", Indexes: []store.Index{{Name: "one", Fields: fields, Unique: true}}}}}))
		o.Cleanup(func() { e.Close() })
		return e
	}
	e := memory("text")
	var rows []bson.Raw
	for _, secret := range secrets {
		body := must[[]byte](o)(bson.Marshal(plainRow{Text: secret, At: noon}))
		if err := e.Insert(ctx, "t", secret, body); err != nil {
			o.Fatal(err)
		}
		for _, d := range []store.Document{{ID: secret, Rev: 1, Body: append(bson.Raw(secret), 0)}, {ID: secret + "x", Rev: 1, Body: body}} {
			rows = append(rows, store.EncodeDocument(nil, d))
		}
		rows = append(rows, bson.Raw(secret))
	}
	for _, part := range []string{"t", "scans_20221013", rows[0].String()} {
		for _, row := range rows {
			o.failure("a row of another", e.Load(ctx, part, []bson.Raw{row}))
		}
	}
	dir := filepath.Join(o.TempDir(), "backup")
	m, _, err := backup.Write(ctx, e, dir, backup.Manifest{}, clock, quiet)
	if err != nil {
		o.Fatal(err)
	}
	_, _, err = backup.Write(ctx, e, dir, m, clock, quiet)
	o.failure("over another", err)
	o.failure("without an index's field", backup.Load(ctx, dir, m, memory("nothing"), quiet))
	for _, file := range []string{m.Files[0].Name, backup.ManifestFile} {
		whole := must[[]byte](o)(os.ReadFile(filepath.Join(dir, file)))
		for at := 0; at < len(whole); at += 1 + len(whole)/40 {
			b := append([]byte(nil), whole...)
			b[at] ^= 0x11
			if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
				o.Fatal(err)
			}
			_, _, err := backup.Verify(ctx, dir, func(int64, int64) {})
			o.maybe("damaged", err)
			o.maybe("damaged, loaded all the same", backup.Load(ctx, dir, m, memory("text"), quiet))
		}
		if err := os.WriteFile(filepath.Join(dir, file), whole, 0o600); err != nil {
			o.Fatal(err)
		}
	}
}
