package sim

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/venue"
)

func (s *Sim) routes(extra func(fiber.Router)) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName: "venuecode simulators", DisableStartupMessage: true,
		Immutable: true, UnescapePath: true, CaseSensitive: true,
		BodyLimit: 1 << 20, ReadBufferSize: 8 << 10,
		ErrorHandler: s.respond,
	})
	app.Use(func(c *fiber.Ctx) error {
		// fiber would inflate such a body past the limit.
		if c.Get(fiber.HeaderContentEncoding) != "" {
			return errEncoding
		}
		return c.Next()
	})
	app.Use(s.platforms())

	app.Get("/sim/city", func(c *fiber.Ctx) error { return c.JSON(s.dir.Load().city) })
	app.Get("/sim/clock", s.readClock)
	app.Post("/sim/clock", s.moveClock)
	app.Get("/sim/phones", s.listPhones)
	app.Post("/sim/phones", s.addPhone)
	app.Post("/sim/phones/:id/scans", s.scanWith)
	app.Get("/sim/phones/:id/messages", s.phoneMessages)
	app.Put("/sim/health/:id", s.setColour)
	app.Get("/sim/groups", s.listGroups)
	app.Get("/sim/groups/:id/messages", s.groupMessages)
	app.Post("/sim/groups/:id/messages", s.writeInGroup)
	app.Get("/sim/chats/:userid/messages", s.chatMessages)
	app.Post("/sim/chats/:userid/messages", s.writeOneToOne)
	app.Get("/sim/faults", s.listFaults)
	app.Put("/sim/faults/:service", s.setFault)
	app.Post("/sim/tokens/expire", s.expireTokens)
	s.page(app)
	if extra != nil {
		extra(app)
	}
	return app
}

// respond turns an error into a status and a sentence.
func (s *Sim) respond(c *fiber.Ctx, err error) error {
	r := errNotWritten
	var f *fiber.Error
	switch {
	case errors.As(err, &r):
	case errors.Is(err, errClosed):
		r = errUnavailable
	case errors.Is(err, venue.ErrInvalid):
		r = errBody
	case errors.Is(err, venue.ErrConflict):
		r = errFixedClock
	case errors.As(err, &f) && f.Code == fiber.StatusNotFound:
		r = errNoRoute
	case errors.As(err, &f) && f.Code == fiber.StatusMethodNotAllowed:
		r = errMethod
	case errors.As(err, &f) && f.Code == fiber.StatusRequestEntityTooLarge:
		r = errTooLarge
	default:
		s.log.Error("simulator failed", "path", c.Path(), "error", err)
	}
	return c.Status(r.status).JSON(fiber.Map{"error": fiber.Map{"code": r.code, "message": r.message}})
}

// decode reads a JSON body, whatever its content type says.
func decode(c *fiber.Ctx, into any) error {
	if json.Unmarshal(c.Body(), into) != nil {
		return errBody
	}
	return nil
}

// readClock also says how fast the clock runs and whether it can be moved.
func (s *Sim) readClock(c *fiber.Ctx) error {
	out := struct {
		Now     string   `json:"now"`
		Speed   *float64 `json:"speed,omitempty"`
		Movable bool     `json:"movable"`
	}{Now: venue.FormatInstant(s.civil.Now()), Movable: s.control != nil}
	if p, ok := s.control.(Paced); ok {
		v := p.Speed()
		out.Speed, out.Movable = &v, v != 1
	}
	return c.JSON(out)
}

func (s *Sim) moveClock(c *fiber.Ctx) error {
	var in struct {
		Now     string `json:"now"`
		Advance string `json:"advance"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if (in.Now == "") == (in.Advance == "") {
		return errClockBody
	}
	if s.control == nil {
		return errFixedClock
	}
	var r MoveResult
	if in.Now != "" {
		to, err := time.Parse(time.RFC3339Nano, in.Now)
		if err != nil {
			return errClockBody
		}
		if r, err = s.control.Set(c.UserContext(), to); err != nil {
			return err
		}
	} else {
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return errClockBody
		}
		if r, err = s.control.Advance(c.UserContext(), d); err != nil {
			return err
		}
	}
	return c.JSON(fiber.Map{"now": venue.FormatInstant(r.Now), "ran": r.Ran, "deferred": r.Deferred})
}

// listPhones lists all phones, or those of ?app= and ?id_number=.
func (s *Sim) listPhones(c *fiber.Ctx) error {
	app, id := c.Query("app"), c.Query("id_number")
	type row struct {
		ID   string `json:"id"`
		App  string `json:"app"`
		Name string `json:"name"`
	}
	rows := []row{}
	for _, p := range s.phones.list() {
		if (app == "" || app == p.App) && (id == "" || id == p.IDNumber) {
			rows = append(rows, row{p.ID, p.App, masked(p.Name)})
		}
	}
	return c.JSON(fiber.Map{"phones": rows})
}

// masked keeps the first character of a name.
func masked(name string) string {
	r := []rune(name)
	if len(r) == 0 {
		return ""
	}
	return string(r[0]) + strings.Repeat("*", len(r)-1)
}

// addPhone answers the phone's id once its person is registered; otherwise what
// the product said.
func (s *Sim) addPhone(c *fiber.Ctx) error {
	var in struct {
		App      string `json:"app"`
		Name     string `json:"name"`
		IDNumber string `json:"id_number"`
		Phone    string `json:"phone"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.App != appWechat && in.App != appAlipay {
		return errApp
	}
	if in.Name == "" || in.IDNumber == "" || in.Phone == "" {
		return errBody
	}
	p := newPhone(in.App, in.Name, in.IDNumber, in.Phone)
	s.phones.add(p) // the platform must know it while the product registers it
	a, err := s.register(c.UserContext(), p)
	if err == nil && a.ok() {
		err = s.journal.append(record{Phone: &p.phoneRecord})
	}
	if err != nil || !a.ok() {
		s.phones.remove(p)
	}
	if err != nil {
		return err
	}
	if !a.ok() {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Status(a.status).Send(a.body)
	}
	return c.JSON(fiber.Map{"id": p.ID})
}

func (s *Sim) scanWith(c *fiber.Ctx) error {
	p := s.phones.get(c.Params("id"))
	if p == nil {
		return errNoPhone
	}
	var in scanInput
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Link == "" {
		return errBody
	}
	a, err := s.scan(c.UserContext(), p, in)
	if err != nil {
		return err
	}
	body := json.RawMessage(a.body)
	if !json.Valid(body) { // a proxy's page, say: shown, but as a text
		if body, err = json.Marshal(fiber.Map{"text": string(a.body)}); err != nil {
			return err
		}
	}
	return c.JSON(fiber.Map{"status": a.status, "body": body})
}

func (s *Sim) phoneMessages(c *fiber.Ctx) error {
	p := s.phones.get(c.Params("id"))
	if p == nil {
		return errNoPhone
	}
	return s.messages(c, phoneTalk(p.ID))
}

func (s *Sim) messages(c *fiber.Ctx, name string) error {
	after, err := strconv.ParseInt(c.Query("after", "0"), 10, 64)
	if err != nil {
		return errAfter
	}
	return c.JSON(fiber.Map{"messages": s.talks.after(name, after)})
}

// setColour is the only place where a colour is set: the province's own side.
func (s *Sim) setColour(c *fiber.Ctx) error {
	id := strings.ToUpper(c.Params("id"))
	if !identity(id) {
		return errIdentity
	}
	var in struct {
		Color string `json:"color"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if !slices.Contains([]string{"green", "yellow", "red"}, in.Color) {
		return errColour
	}
	if err := s.journal.append(record{Colour: &colourRecord{id, in.Color}}); err != nil {
		return err
	}
	s.colours.set(id, in.Color)
	return c.JSON(fiber.Map{"color": in.Color})
}

func (s *Sim) listGroups(c *fiber.Ctx) error {
	type row struct {
		ID      string   `json:"id"`
		Name    string   `json:"name"`
		Members []string `json:"members"`
	}
	rows := []row{}
	d := s.dir.Load()
	for _, g := range d.city.Groups {
		rows = append(rows, row{g.ID, g.Name, d.members[g.ID]})
	}
	return c.JSON(fiber.Map{"groups": rows})
}

func (s *Sim) group(c *fiber.Ctx) (string, error) {
	id := c.Params("id")
	if _, ok := s.dir.Load().groups[id]; !ok {
		return "", errNoGroup
	}
	return id, nil
}

func (s *Sim) groupMessages(c *fiber.Ctx) error {
	id, err := s.group(c)
	if err != nil {
		return err
	}
	return s.messages(c, groupTalk(id))
}

// writeInGroup delivers a mention of the robot. A text that mentions nobody is
// given the mention on the wire; the group shows what was typed.
func (s *Sim) writeInGroup(c *fiber.Ctx) error {
	id, err := s.group(c)
	if err != nil {
		return err
	}
	var in struct{ From, Text string }
	if err := decode(c, &in); err != nil {
		return err
	}
	if !wellFormedUser.MatchString(in.From) {
		return errUserID
	}
	if strings.TrimSpace(in.Text) == "" {
		return errBody
	}
	text := in.Text
	if mention := "@" + s.dir.Load().city.Robot; !strings.Contains(text, mention) {
		text = mention + " " + text
	}
	reply, err := s.converse(c.UserContext(), groupTalk(id),
		Message{From: in.From, Text: in.Text},
		RobotCallback, Incoming{From: in.From, Chat: id, Text: text})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"reply": reply})
}

func (s *Sim) chatMessages(c *fiber.Ctx) error {
	userid := c.Params("userid")
	if !wellFormedUser.MatchString(userid) {
		return errUserID
	}
	return s.messages(c, chatTalk(userid))
}

func (s *Sim) writeOneToOne(c *fiber.Ctx) error {
	userid := c.Params("userid")
	if !wellFormedUser.MatchString(userid) {
		return errUserID
	}
	var in struct{ Channel, Text string }
	if err := decode(c, &in); err != nil {
		return err
	}
	if strings.TrimSpace(in.Text) == "" {
		return errBody
	}
	build, from := AppCallback, userid
	switch in.Channel {
	case channelApp:
	case appService:
		build, from = ServiceCallback, ServiceOpenID(userid)
	default:
		return errChannel
	}
	reply, err := s.converse(c.UserContext(), chatTalk(userid),
		Message{From: userid, Channel: in.Channel, Text: in.Text},
		build, Incoming{From: from, Text: in.Text})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"reply": reply})
}

func (s *Sim) listFaults(c *fiber.Ctx) error {
	all := map[string]string{}
	for _, v := range []*service{s.health, s.wechat, s.alipay, s.wecom} {
		all[v.name] = modes[v.mode.Load()]
	}
	return c.JSON(fiber.Map{"faults": all})
}

func (s *Sim) setFault(c *fiber.Ctx) error {
	v := s.service(c.Params("service"))
	if v == nil {
		return errNoService
	}
	var in struct{ Mode string }
	if err := decode(c, &in); err != nil {
		return err
	}
	i := slices.Index(modes, in.Mode)
	if i < 0 {
		return errMode
	}
	v.mode.Store(int32(i))
	return c.JSON(fiber.Map{"service": v.name, "mode": in.Mode})
}

func (s *Sim) expireTokens(c *fiber.Ctx) error {
	var in struct{ App string }
	if err := decode(c, &in); err != nil {
		return err
	}
	// Alipay has none: it answers 0, since nothing of ours depends on it.
	if !slices.Contains([]string{appWechat, appService, appWeCom, appAlipay}, in.App) {
		return errApp
	}
	return c.JSON(fiber.Map{"app": in.App, "forgotten": s.tokens.forget(in.App)})
}
