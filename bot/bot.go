package bot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// Desk keeps numbers: *daily.Service. It refuses with a *daily.Refusal.
type Desk interface {
	Report(ctx context.Context, sub daily.Submission) (daily.Receipt, error)
	Withdraw(ctx context.Context, unit venue.UnitID, by venue.ChatAccount, message string, at time.Time) (daily.Withdrawal, error)
	// Status shows the unit its number, and remembers that it did, for 确认.
	Status(ctx context.Context, unit venue.UnitID, at time.Time) (daily.Status, error)
}

// Roll calls out who has not reported: *daily.Stages.
type Roll interface {
	Missing(ctx context.Context, group venue.GroupID) ([]venue.UnitMention, error)
}

// Reports reads what a unit reported without showing it any count: the reports
// of package daily. Not ok if there is nothing.
type Reports interface {
	Get(ctx context.Context, unit venue.UnitID, day venue.Day) (r venue.Report, ok bool, err error)
}

// Directory knows for which unit an account speaks; venue.ErrNotFound if for
// none. Robot and app know a person by one userid and share the binding: it is
// always asked for under venue.ChannelWeComApp.
type Directory interface {
	Binding(ctx context.Context, account venue.ChatAccount) (venue.Binding, error)
	// Group is a group that units report in; venue.ErrNotFound for any other.
	Group(ctx context.Context, id venue.GroupID) (venue.Group, error)
}

// Binder uses up a one-time code. A code that is wrong, used or expired is
// venue.ErrNotFound, ErrInvalid, ErrStale, ErrExists or ErrConflict: the asker
// is not told which.
type Binder interface {
	Bind(ctx context.Context, account venue.ChatAccount, code string) (venue.Bound, error)
}

// Names are the full and short names of all units, the full one first.
type Names interface {
	UnitNames(ctx context.Context) (map[venue.UnitID][]string, error)
}

// Memory is durable, for at least a day.
type Memory interface {
	// Once gives the reply remembered under key, or else runs answer and
	// remembers its reply. Of callers at the same time one runs answer, the
	// others wait for it. An error is returned and nothing remembered.
	Once(ctx context.Context, key string, answer func(context.Context) (reply string, err error)) (reply string, err error)
}

// Handler serves unit staff. Its fields are set once, before Routes.
type Handler struct {
	Robot   *Crypt // receiver "". A way in that is nil is not served
	App     *Crypt // receiver: the corp id
	Service *Crypt // receiver: the app id; safe mode only

	RobotNames []string                   // by which a group mentions the robot
	Blind      func(openid string) string // what an openid is known by here
	Contact    string                     // headquarters, as staff are told to reach it
	Policy     daily.Policy               // quoted in replies

	Desk      Desk
	Roll      Roll
	Reports   Reports
	Directory Directory
	Binder    Binder
	Names     Names
	Memory    Memory

	Civil   venue.Clock
	Machine venue.Clock // freshness, caches, abuse limits
	Random  io.Reader   // cryptographic, safe for concurrent use
	Log     *slog.Logger

	seen  signatures
	names nameBook
	tries tryBook
}

// Routes adds the callbacks.
func (h *Handler) Routes(app fiber.Router) {
	for _, d := range []door{
		{h, "/callbacks/wecom/robot", h.Robot, robot{}},
		{h, "/callbacks/wecom/app", h.App, wecomApp{}},
		{h, "/callbacks/wechat", h.Service, serviceAccount{blind: h.Blind}},
	} {
		if d.crypt != nil {
			app.Get(d.path, d.verify)
			app.Post(d.path, d.receive)
		}
	}
}

// Message is what somebody wrote, from whatever channel.
type Message struct {
	Channel venue.Channel
	// ID is the platform's id of the message under its channel; a retry has the
	// same one.
	ID      string
	Account venue.ChatAccount
	Group   venue.GroupID // "": one to one
	Kind    kind
	Text    string
	Sent    time.Time // by the platform's clock; zero if it does not say
	At      time.Time // when it came in; civil
}

// kind is what sort of thing came in.
type kind uint8

const (
	kindSilent kind = iota // nothing that wants an answer
	kindText
	kindOther // an image, a voice, a file
	kindHello // somebody has just subscribed
)

// replyWithin leaves the wire a tenth of the second that WeCom grants.
const replyWithin = 900 * time.Millisecond

// receive takes one message: guards, decoding, and the answer sealed.
func (d door) receive(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, replyWithin)
	defer cancel()

	q, err := d.call(c)
	if err != nil {
		return err
	}
	sealed, ok := d.wire.sealed(c.Request().Body())
	if !ok {
		return errMalformed
	}
	plain, err := d.open(q, sealed)
	if err != nil {
		return err
	}
	in, ok := d.wire.message(plain)
	if !ok {
		return errMalformed
	}
	in.At = d.Civil.Now()
	text := d.once(ctx, in)
	if text == "" {
		return c.SendString(d.wire.silence())
	}
	return d.reply(c, q, d.wire.passive(in, text, d.Machine.Now()))
}

// once answers a message, however often it comes. What fails is not remembered,
// so that the same words sent again are a new attempt.
func (h *Handler) once(ctx context.Context, in incoming) string {
	if in.Kind == kindSilent {
		return ""
	}
	text, err := h.Memory.Once(ctx, in.ID, func(ctx context.Context) (string, error) {
		return h.answer(ctx, in.Message)
	})
	if err != nil {
		h.Log.Error("message not answered", "channel", in.Channel, "error", in.scrub(err))
		return textBusy
	}
	return text
}

// answer is the conversation: who sent it, for which unit, command or count?
func (h *Handler) answer(ctx context.Context, m Message) (string, error) {
	switch m.Kind {
	case kindHello:
		return textHello(h.Policy), nil
	case kindOther:
		return textOnlyText, nil
	}
	binding, err := h.Directory.Binding(ctx, m.Account)
	if errors.Is(err, venue.ErrNotFound) {
		return h.stranger(ctx, m)
	}
	if err != nil {
		return "", err
	}
	own, others, err := h.unitNames(ctx, binding.Unit)
	if err != nil {
		return "", err
	}
	command := daily.Parse(daily.Line{Text: m.Text, Robot: h.RobotNames, Own: own, Others: others})
	return h.obey(ctx, m, binding.Unit, command)
}

// incoming is a message together with what its answer is addressed by. Neither
// from, which may be an openid, nor to goes any further.
type incoming struct {
	Message
	from, to string
}

// scrub is an error's text without who wrote and what.
func (in incoming) scrub(err error) string {
	text := err.Error()
	for _, private := range []string{in.Text, in.from, in.Account.ID} {
		if private != "" {
			text = strings.ReplaceAll(text, private, "…")
		}
	}
	return text
}
