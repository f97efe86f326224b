package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// What a file may make of memory, and what the format has no more of.
const (
	maxDirectory = 1 << 20   // bytes of the archive's directory
	maxToken     = 512 << 10 // bytes of one tag or text
	maxDepth     = 64        // of tags
	maxTexts     = 48 << 20  // bytes of shared strings: five long columns of the largest sheet
	maxStrings   = 2 << 20
	maxStyles    = 1 << 16
	maxSheets    = 1 << 10
	maxMerges    = MaxRows
	lastRow      = 1 << 20
	lastColumn   = 1 << 14
)

// book is an .xlsx. Of its directory only the sizes are believed, since
// archive/zip ends a part that grows beyond its own.
type book struct {
	parts    map[string]*zip.File // by path in lower case
	sheets   []tab                // that can be seen
	strings  string               // path of the shared strings
	stylings string               // path of the styles
	date1904 bool
	texts    texts         // as far as they were read
	unread   *tokens       // the others, nil if there are none
	formats  []format      // by the number that a cell has for its style
	merged   map[place]int // last row of what is merged downwards from there
}

type tab struct{ name, path string }

// place is a cell: its row from 1, its column from 0.
type place struct{ row, column int }

var errDamaged = refuse(ReasonDamaged)

// openXLSX finds the sheet and counts its rows.
func (s *Sheet) openXLSX(r io.ReaderAt, size int64) (count int, err error) {
	b, err := openBook(r, size)
	if err != nil {
		return 0, err
	}
	var found *tab
	for i, t := range b.sheets {
		if found != nil && t.name == notesSheet {
			continue
		}
		limit := MaxRows + headingWithin
		if found != nil {
			limit = 0 // one row is enough to tell of it
		}
		n, merged, err := b.count(t.path, limit)
		switch {
		case err != nil:
			return 0, err
		case n == 0:
		case found != nil:
			s.Others = append(s.Others, t.name)
		case n > limit:
			return 0, &Refusal{Reason: ReasonRows, Limit: MaxRows}
		default:
			found, s.Name, count, b.merged = &b.sheets[i], t.name, n, merged
		}
	}
	if found == nil {
		return 0, refuse(ReasonEmpty)
	}
	if err := b.readStyles(); err != nil {
		return 0, err
	}
	if err := b.openStrings(); err != nil {
		return 0, err
	}
	s.rows = func(yield func(Row, error) bool) {
		if err := b.rows(found.path, func(row Row) bool { return yield(row, nil) }); err != nil {
			yield(Row{}, err)
		}
	}
	return count, nil
}

// openBook looks at sizes before it unpacks anything, and then at what lies
// where.
func openBook(r io.ReaderAt, size int64) (*book, error) {
	reader := &directory{r, maxDirectory, false}
	archive, err := zip.NewReader(reader, size)
	if err != nil {
		return nil, errDamaged
	}
	reader.read = true
	b := &book{parts: map[string]*zip.File{}}
	total := uint64(0)
	for _, f := range archive.File {
		if total += f.UncompressedSize64; f.UncompressedSize64 > maxUnpacked || total > maxUnpacked || total > maxRatio*uint64(size) {
			return nil, refuse(ReasonSize)
		}
		name := strings.ToLower(strings.ReplaceAll(f.Name, `\`, "/"))
		if _, twice := b.parts[name]; twice {
			return nil, errDamaged
		}
		b.parts[name] = f
	}
	switch {
	case b.parts["mimetype"] != nil:
		return nil, refuse(ReasonODS)
	case b.parts["xl/workbook.bin"] != nil:
		return nil, refuse(ReasonXLS)
	case b.parts["_rels/.rels"] == nil:
		return nil, refuse(ReasonFormat)
	}
	return b, b.readDirectory()
}

// directory ends the reading of an archive's directory where it would fill the
// memory. Once it is read there is no bound.
type directory struct {
	io.ReaderAt
	left int
	read bool
}

func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	if d.read {
		return d.ReaderAt.ReadAt(p, at)
	}
	if d.left < 0 {
		return 0, errDamaged
	}
	n, err := d.ReaderAt.ReadAt(p, at)
	d.left -= n
	return n, err
}

// readDirectory follows the relations from the archive to its sheets.
func (b *book) readDirectory() error {
	workbook := ""
	if err := b.relations("", func(_, kind, target string) {
		if kind == "officeDocument" {
			workbook = target
		}
	}); err != nil {
		return err
	}
	if b.parts[workbook] == nil {
		return refuse(ReasonFormat)
	}
	type relation struct{ kind, target string }
	relations := map[string]relation{}
	if err := b.relations(workbook, func(id, kind, target string) {
		relations[id] = relation{kind, target}
		switch kind {
		case "sharedStrings":
			b.strings = target
		case "styles":
			b.stylings = target
		}
	}); err != nil {
		return err
	}
	return b.each(workbook, func(_ *tokens, t xml.StartElement) error {
		switch t.Name.Local {
		case "workbookPr":
			b.date1904 = isTrue(attr(t, "date1904"))
		case "sheet":
			id := ""
			for _, a := range t.Attr {
				if a.Name.Local == "id" { // r:id, in either namespace; sheetId is another
					id = a.Value
				}
			}
			state := attr(t, "state")
			if rel := relations[id]; rel.kind == "worksheet" && state != "hidden" && state != "veryHidden" {
				b.sheets = append(b.sheets, tab{clean(attr(t, "name")), rel.target})
			}
			if len(b.sheets) > maxSheets {
				return errDamaged
			}
		}
		return nil
	})
}

// relations tells what a part refers to: an id, the last word of the kind, and
// the path. The part "" is the archive.
func (b *book) relations(of string, tell func(id, kind, target string)) error {
	dir, name := path.Split(of)
	list := dir + "_rels/" + name + ".rels"
	if b.parts[list] == nil {
		return errDamaged
	}
	return b.each(list, func(_ *tokens, t xml.StartElement) error {
		if t.Name.Local == "Relationship" {
			target := strings.ToLower(strings.ReplaceAll(attr(t, "Target"), `\`, "/"))
			if !strings.HasPrefix(target, "/") {
				target = path.Join("/"+dir, target)
			}
			tell(attr(t, "Id"), path.Base(attr(t, "Type")), strings.TrimPrefix(target, "/"))
		}
		return nil
	})
}

// openStrings counts the shared strings, in which sheets have their texts, and
// proves checksum and end.
func (b *book) openStrings() error {
	if b.parts[b.strings] == nil {
		return nil // all texts are in their cells
	}
	part, err := b.parts[b.strings].Open()
	if err != nil {
		return errDamaged
	}
	_, err = io.Copy(new(flood), part)
	_ = part.Close()
	switch {
	case errors.Is(err, errFlood):
		return err
	case err != nil:
		return errDamaged
	}
	b.unread, err = b.tokens(b.strings)
	return err
}

// text is a shared string. They are read as far as one is asked for: a sender
// waits until the headings are known, which are seldom far down.
func (b *book) text(i int) (string, error) {
	for i >= b.texts.n && b.unread != nil {
		if err := b.readString(); err != nil {
			b.unread.close()
			if b.unread = nil; err != io.EOF {
				return "", err
			}
		}
	}
	if i < 0 || i >= b.texts.n {
		return "", errDamaged
	}
	return b.texts.at(i), nil
}

// readString reads on by a tag, and by a string if that begins one.
func (b *book) readString() error {
	token, err := b.unread.next()
	if err != nil {
		return err
	}
	if start, ok := token.(xml.StartElement); !ok || start.Name.Local != "si" {
		return nil
	}
	text, err := b.unread.texts()
	if err != nil {
		return err
	}
	if b.texts.size += len(text); b.texts.size > maxTexts || b.texts.n == maxStrings {
		return refuse(ReasonSize)
	}
	b.texts.add(text)
	return nil
}

// flood counts shared strings and their text in bytes that go by, roughly and at
// once; reading them counts exactly.
type flood struct {
	strings, text int
	inTag         bool
}

var errFlood = refuse(ReasonSize)

func (f *flood) Write(p []byte) (int, error) {
	f.strings += bytes.Count(p, []byte("<si>")) + bytes.Count(p, []byte("<si/>"))
	for rest, edge := p, 0; edge >= 0; rest = rest[edge+1:] {
		if f.inTag {
			edge = bytes.IndexByte(rest, '>')
		} else if edge = bytes.IndexByte(rest, '<'); edge < 0 {
			f.text += len(rest)
		} else {
			f.text += edge
		}
		if edge < 0 {
			break
		}
		f.inTag = !f.inTag
	}
	if f.strings > maxStrings || f.text > maxTexts {
		return 0, errFlood
	}
	return len(p), nil
}

// texts is a long list that is never copied to grow.
type texts struct {
	chunks  [][]string
	n, size int // strings, bytes
}

const perChunk = 1 << 12

func (t *texts) add(s string) {
	if t.n%perChunk == 0 {
		t.chunks = append(t.chunks, make([]string, 0, perChunk))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, s)
	t.n++
}

func (t *texts) at(i int) string { return t.chunks[i/perChunk][i%perChunk] }

// tokens reads a part tag by tag, within bounds.
type tokens struct {
	xml    *xml.Decoder
	part   io.ReadCloser
	depth  int
	budget int // bytes that the token may still take
}

func (b *book) tokens(name string) (*tokens, error) {
	f := b.parts[name]
	if f == nil {
		return nil, errDamaged
	}
	part, err := f.Open()
	if err != nil {
		return nil, errDamaged
	}
	t := &tokens{part: part}
	t.xml = xml.NewDecoder(t)
	return t, nil
}

func (t *tokens) Read(p []byte) (int, error) {
	if t.budget <= 0 {
		return 0, errDamaged
	}
	n, err := t.part.Read(p)
	t.budget -= n
	return n, err
}

func (t *tokens) close() { _ = t.part.Close() }

// next is the next token, good until the one after. What ends too early or has
// the wrong checksum is damaged, not short.
func (t *tokens) next() (xml.Token, error) {
	t.budget = maxToken
	token, err := t.xml.Token()
	if err != nil {
		if err == io.EOF {
			return nil, io.EOF
		}
		return nil, errDamaged // the cause would quote the file
	}
	switch token.(type) {
	case xml.StartElement:
		if t.depth++; t.depth > maxDepth {
			return nil, errDamaged
		}
	case xml.EndElement:
		t.depth--
	case xml.Directive: // there is no reason for one
		return nil, errDamaged
	}
	return token, nil
}

// texts is what is written up to the end of the element just begun, without
// the notes on how it is spoken.
func (t *tokens) texts() (string, error) {
	var text strings.Builder
	inText, spoken := false, false
	for depth := t.depth; t.depth >= depth; {
		token, err := t.next()
		if err != nil {
			return "", damagedAtEnd(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			inText = x.Name.Local == "t"
			spoken = spoken || x.Name.Local == "rPh"
		case xml.EndElement:
			inText = false
			spoken = spoken && x.Name.Local != "rPh"
		case xml.CharData:
			if inText && !spoken {
				text.Write(x)
			}
		}
	}
	return unescape(text.String()), nil
}

// value is the text of the element just begun, which has no others in it.
func (t *tokens) value() (string, error) {
	var text []byte
	for depth := t.depth; t.depth >= depth; {
		token, err := t.next()
		if err != nil {
			return "", damagedAtEnd(err)
		}
		if x, ok := token.(xml.CharData); ok {
			text = append(text, x...)
		}
	}
	return string(text), nil
}

func damagedAtEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}

// each calls visit with every tag that begins in a part, but for those that visit
// itself reads.
func (b *book) each(name string, visit func(*tokens, xml.StartElement) error) error {
	t, err := b.tokens(name)
	if err != nil {
		return err
	}
	defer t.close()
	for {
		token, err := t.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			if err := visit(t, start); err != nil {
				return err
			}
		}
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

func isTrue(s string) bool { return s == "1" || s == "true" }

// escaped is how a text has characters that XML can not write: _x000D_.
var escaped = regexp.MustCompile(`_x([0-9A-Fa-f]{4})_`)

func unescape(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:6], 16, 16)
		return string(rune(n)) // U+FFFD for half of a pair
	})
}
