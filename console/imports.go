package console

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

const (
	importsPage   = "/console/imports"
	importsListed = 20
)

// kindNeeds are the kinds of file that need more than register.send: a unit asks
// for its own venues alone, and some are not of one township's units, or name persons.
var kindNeeds = map[string]access.Permission{"units": access.RegisterEnter, "legacy": access.RegisterEnter, "subjects": access.RegisterImport, "roster": access.RegisterImport}

// kindOf is a kind of file that the asker may send.
func kindOf(c *call, name string) (intake.Kind, error) {
	kind, ok := intake.KindOf(name)
	if !ok {
		return kind, &venue.Invalid{Field: "kind", Reason: "unknown"}
	}
	if need := kindNeeds[name]; need != "" && !c.by.May(need) {
		return kind, store.ErrOutOfScope
	}
	return kind, nil
}

type importRow struct {
	ID       string            `json:"id,omitempty"` // of one's own
	Kind     string            `json:"kind"`
	State    store.UploadState `json:"state"`
	By       string            `json:"by"`
	At       instant           `json:"at"`
	Ended    instant           `json:"ended,omitzero"`
	Division venue.Division    `json:"division,omitempty"`
	Place    string            `json:"division_name,omitempty"`
	Partial  bool              `json:"partial"`
	store.SubjectCounts
	Written int `json:"written"` // so far
	ToWrite int `json:"to_write"`
}

type importDetail struct {
	importRow
	Errors   []intake.Problem `json:"errors"`   // the first
	Problems int              `json:"problems"` // rows in the workbook of problems
	Refusal  string           `json:"refusal,omitempty"`
	Again    bool             `json:"again"`   // the register had changed: it was looked at once more
	Applies  bool             `json:"applies"` // a unit's own: it asks for codes
}

// Busy tells whether the page should ask again.
func (i importDetail) Busy() bool {
	return i.State == store.UploadLooking || i.State == store.UploadRunning
}

// Good is how many rows may be imported.
func (i importDetail) Good() int { return i.OK + i.Proof }

// Compared tells whether the counts of a register of subjects are there.
func (i importRow) Compared() bool { return i.Kind == intake.Subjects.Name }

type importList struct {
	Kinds    []string       `json:"kinds"`    // that may be sent
	Applies  bool           `json:"applies"`  // a unit's own: its files ask for codes
	Division venue.Division `json:"division"` // which it is about, unless somebody says
	Places   []web.Choice   `json:"-"`        // to choose from
	Imports  []importRow    `json:"imports"`
}

// expired is how an upload shows that nobody decided about.
const expired = store.UploadState("expired")

func (h *Handler) importRow(id string, r store.UploadRow) importRow {
	i := importRow{ID: id, Kind: r.Kind, State: r.State, By: r.By, At: instant(r.At), Ended: instant(r.Ended), Partial: r.Partial,
		SubjectCounts: r.SubjectCounts, Written: r.Done, ToWrite: r.Total}
	if r.Expired(h.Clock.Now()) {
		i.State = expired
	}
	if i.Compared() {
		i.Division, i.Place = r.Division, h.Divisions.FullName(r.Division)
	}
	return i
}

// imports is where files are sent, and what became of the last ones.
func (h *Handler) imports(c *call) (answer, error) {
	own, _ := c.by.Scope().Reach()
	out := importList{Kinds: []string{}, Applies: own != "", Division: h.about(c), Imports: []importRow{}}
	out.Places = h.divisions(c, out.Division)
	for _, k := range intake.Kinds {
		if _, err := kindOf(c, k.Name); err == nil {
			out.Kinds = append(out.Kinds, k.Name)
		}
	}
	rows, err := h.Uploads.Recent(c.ctx, c.by.Scope(), importsListed)
	if err != nil {
		return answer{}, err
	}
	for _, r := range rows {
		if r.Value.By != c.by.User() {
			r.ID = ""
		}
		out.Imports = append(out.Imports, h.importRow(r.ID, r.Value))
	}
	return answer{page: "imports", data: out}, nil
}

// about is the division that a file is about where nobody says: the city, or the
// first one of whoever sees less.
func (h *Handler) about(c *call) venue.Division {
	if scope := c.by.Scope(); !scope.CoversDivision(h.Division) {
		if own := scope.Territory(); len(own) > 0 {
			return own[0]
		}
	}
	return h.Division
}

// sendImport keeps a file, which is then looked at.
func (h *Handler) sendImport(c *call) (answer, error) {
	kind, err := kindOf(c, c.FormValue("kind"))
	if err != nil {
		return answer{}, err
	}
	division := h.about(c)
	if s := c.FormValue("division"); s != "" {
		if division, err = h.division(c, s); err != nil {
			return answer{}, err
		}
	}
	file, err := upload(c)
	if err != nil {
		return answer{}, err
	}
	id, err := h.Uploads.Send(c.ctx, c.by.Scope(), c.by.User(), kind, division, file, func(id string) error {
		return h.actOn(c, "register.upload", id, map[string]string{"kind": kind.Name, "bytes": strconv.Itoa(len(file))})
	})
	if err != nil {
		return answer{}, refusedFile(err)
	}
	return h.afterwards(c, id)
}

// actOn writes down what is done with a file.
func (h *Handler) actOn(c *call, action, id string, details map[string]string) error {
	return h.note(c, audit.Event{Action: action, Object: audit.Object{Kind: "upload", ID: id}, Details: details})
}

// upload is the file of a form.
func upload(c *call) ([]byte, error) {
	head, err := c.FormFile("file")
	if err != nil {
		return nil, &venue.Invalid{Field: "file", Reason: "missing"}
	}
	file, err := head.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// refusedFile is what a person reads about a file that is refused as a whole, or
// not there any more.
func refusedFile(err error) error {
	var refusal *sheet.Refusal
	switch {
	case errors.As(err, &refusal):
		return &web.Error{Status: fiber.StatusUnprocessableEntity, Code: "sheet_refused", Message: sheet.Sentence(refusal)}
	case errors.Is(err, intake.ErrWaiting):
		return errFilesWait
	case errors.Is(err, intake.ErrDecided):
		return errFileDecided
	}
	return err
}

// afterwards leads to an upload's page, or tells a program what it would show.
func (h *Handler) afterwards(c *call, id string) (answer, error) {
	detail, err := h.importDetail(c, id)
	return answer{to: importsPage + "/" + id, data: detail}, err
}

func (h *Handler) importDetail(c *call, id string) (importDetail, error) {
	r, err := h.Uploads.Upload(c.ctx, c.by.User(), id)
	if err != nil {
		return importDetail{}, err
	}
	out := importDetail{importRow: h.importRow(id, r), Errors: []intake.Problem{}, Problems: r.Listed, Refusal: r.Refusal, Again: r.Again, Applies: r.Unit != ""}
	for _, f := range r.Faults {
		out.Errors = append(out.Errors, intake.Problem(f))
	}
	if r.Problems == 0 || h.Clock.Now().Sub(r.At) > store.UploadKept {
		out.Problems = 0
	}
	return out, nil
}

func (h *Handler) importPage(c *call) (answer, error) {
	detail, err := h.importDetail(c, c.Params("id"))
	return answer{page: "import", data: detail}, err
}

// importProblems gives the bad rows back, to be mended and sent again.
func (h *Handler) importProblems(c *call) (answer, error) {
	b, err := h.Uploads.Problems(c.ctx, c.by.User(), c.Params("id"))
	if err != nil {
		return answer{}, err
	}
	attach(c, xlsxType, "problems.xlsx")
	return answer{}, c.Send(b)
}

func (h *Handler) runImport(c *call) (answer, error) {
	var q struct{ Partial tick }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	id, partial := c.Params("id"), bool(q.Partial)
	err := h.Uploads.Import(c.ctx, c.by.Scope(), c.by.User(), id, partial, func(r store.UploadRow) error {
		if _, err := kindOf(c, r.Kind); err != nil { // their role may have become less
			return err
		}
		return h.actOn(c, "register.import", id, map[string]string{
			"kind": r.Kind, "bytes": strconv.Itoa(r.Sheet), "partial": strconv.FormatBool(partial), "rows": strconv.Itoa(r.Rows)})
	})
	if err != nil {
		return answer{}, refusedFile(err)
	}
	return h.afterwards(c, id)
}

func (h *Handler) discardImport(c *call) (answer, error) {
	id := c.Params("id")
	err := h.Uploads.Discard(c.ctx, c.by.User(), id, func(r store.UploadRow) error {
		return h.actOn(c, "register.discard", id, map[string]string{"kind": r.Kind})
	})
	if err != nil {
		return answer{}, refusedFile(err)
	}
	return h.afterwards(c, id)
}

// importTemplate is an empty sheet of a kind.
func (h *Handler) importTemplate(c *call) (answer, error) {
	kind, err := kindOf(c, c.Params("kind"))
	if err != nil {
		return answer{}, err
	}
	var b bytes.Buffer
	if err := kind.Layout.Template(&b); err != nil {
		return answer{}, err
	}
	attach(c, xlsxType, kind.Name+".xlsx")
	return answer{}, c.Send(b.Bytes())
}
