package bot

import (
	"context"
	"errors"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// stranger answers somebody who is bound to no unit.
func (h *Handler) stranger(ctx context.Context, m Message) (string, error) {
	switch c := daily.Parse(daily.Line{Text: m.Text, Robot: h.RobotNames}); c.Intent {
	case daily.IntentBind:
		return h.bind(ctx, m, c.Arg)
	case daily.IntentHelp:
		return h.inGroup(ctx, m, textHello(h.Policy))
	}
	return textUnbound, nil
}

// inGroup answers with a text; in a group that is not registered, with what
// headquarters need for that.
func (h *Handler) inGroup(ctx context.Context, m Message, text string) (string, error) {
	if m.Group == "" {
		return text, nil
	}
	_, err := h.Directory.Group(ctx, m.Group)
	if errors.Is(err, venue.ErrNotFound) {
		return textGroupUnknown(m.Group, h.Contact), nil
	}
	return text, err
}

// obey does what a command of somebody bound to unit asks for.
func (h *Handler) obey(ctx context.Context, m Message, unit venue.UnitID, c daily.Command) (string, error) {
	text, err := h.command(ctx, m, unit, c)
	var refusal *daily.Refusal
	switch {
	case errors.As(err, &refusal):
		return textRefusal(refusal, h.Policy), nil
	case errors.Is(err, venue.ErrInvalid):
		return textTooBig(h.Policy), nil
	case errors.Is(err, venue.ErrNotFound):
		return textUnitGone(h.Contact), nil
	}
	return text, err
}

func (h *Handler) command(ctx context.Context, m Message, unit venue.UnitID, c daily.Command) (string, error) {
	switch c.Intent {
	case daily.IntentReport:
		return h.report(ctx, m, unit, venue.EntryReport, c.Count)
	case daily.IntentCorrect:
		return h.report(ctx, m, unit, venue.EntryCorrect, c.Count)
	case daily.IntentMakeup:
		return h.report(ctx, m, unit, venue.EntryMakeup, c.Count)
	case daily.IntentConfirm:
		return h.report(ctx, m, unit, venue.EntryConfirm, 0)
	case daily.IntentWithdraw:
		w, err := h.Desk.Withdraw(ctx, unit, m.Account, m.ID, m.At)
		return textWithdrawal(w, h.Policy, m.At), err
	case daily.IntentQuery:
		return h.query(ctx, m, unit)
	case daily.IntentDifference:
		return h.difference(ctx, m, unit)
	case daily.IntentMissing:
		return h.missing(ctx, m)
	case daily.IntentBind:
		return h.bind(ctx, m, c.Arg)
	case daily.IntentHelp:
		return h.inGroup(ctx, m, textHelp(h.Policy))
	case daily.IntentUrge:
		return textUrge(h.Contact), nil
	case daily.IntentAppeal:
		return textAppeal(h.Contact), nil
	case daily.IntentExempt:
		return textExempt(h.Contact), nil
	}
	name, err := h.unitName(ctx, unit)
	return textAsk(c.Why, name, h.Policy), err
}

// report hands in a number. The receipt is answered as it is, in a group too:
// the words leave out what is for the reporter alone, and package daily sends
// that one to one.
func (h *Handler) report(ctx context.Context, m Message, unit venue.UnitID, k venue.EntryKind, count int) (string, error) {
	r, err := h.Desk.Report(ctx, daily.Submission{
		Unit: unit, By: m.Account, Message: m.ID, Kind: k, Count: count, At: m.At, Sent: m.Sent,
	})
	return textReceipt(r, h.Policy), err
}

// query says where the unit stands. In a group that is what it reported and
// nothing else, and the platform's number is not taken as shown: nobody saw it.
func (h *Handler) query(ctx context.Context, m Message, unit venue.UnitID) (string, error) {
	if m.Group == "" {
		s, err := h.Desk.Status(ctx, unit, m.At)
		return textStatus(s), err
	}
	name, err := h.unitName(ctx, unit)
	if err != nil {
		return "", err
	}
	day, window := h.Policy.WindowOf(m.At)
	r, ok, err := h.Reports.Get(ctx, unit, day)
	if !ok {
		r = venue.Report{Unit: unit, Day: day, Window: window}
	}
	return textStatusInGroup(name, r), err
}

// difference is never said in a group.
func (h *Handler) difference(ctx context.Context, m Message, unit venue.UnitID) (string, error) {
	if m.Group != "" {
		return textDifferenceInGroup, nil
	}
	s, err := h.Desk.Status(ctx, unit, m.At)
	return textDifference(s, h.Policy), err
}

func (h *Handler) missing(ctx context.Context, m Message) (string, error) {
	if m.Group == "" {
		return textMissingNoGroup, nil
	}
	units, err := h.Roll.Missing(ctx, m.Group)
	if err != nil {
		return "", err
	}
	day, _ := h.Policy.WindowOf(m.At)
	return h.inGroup(ctx, m, textMissing(day, units))
}
