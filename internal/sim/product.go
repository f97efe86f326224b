package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const (
	callbackPatience = 5 * time.Second // as the platforms have
	phonePatience    = 15 * time.Second
	longestAnswer    = 1 << 20
)

// ask is a phone calling the product's API.
func (s *Sim) ask(ctx context.Context, method, path, session string, in any) (answer, error) {
	base := *s.product.Load()
	if base == "" {
		return answer{}, errNoProduct
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, phonePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return answer{}, errNoProduct
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if session != "" {
		req.Header.Set("Authorization", "Bearer "+session)
	}
	return s.send(req)
}

// deliver is a platform calling the product back.
func (s *Sim) deliver(ctx context.Context, c Callback) (answer, error) {
	base := *s.product.Load()
	if base == "" {
		return answer{}, errNoProduct
	}
	ctx, cancel := context.WithTimeout(ctx, callbackPatience)
	defer cancel()
	req, err := c.Request(ctx, base)
	if err != nil {
		return answer{}, errNoProduct
	}
	return s.send(req)
}

func (s *Sim) send(req *http.Request) (answer, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		s.log.Warn("product did not answer a simulator", "path", req.URL.Path)
		return answer{}, errNoProduct
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if err != nil {
		return answer{}, errNoProduct
	}
	return answer{resp.StatusCode, body}, nil
}

// converse lets somebody write: the line is recorded, delivered as the
// platform's callback, and the reply, if any, recorded. Nothing is locked
// during the call.
func (s *Sim) converse(ctx context.Context, name string, line Message, build func(Keys, Incoming) (Callback, error), in Incoming) (string, error) {
	line.Kind, line.Type = kindChat, "text"
	if _, err := s.say(name, line); err != nil {
		return "", err
	}
	in.MsgID = msgID()
	in.Sent, in.At, in.Nonce = s.civil.Now(), s.machine.Now(), token()[:16]
	c, err := build(s.keys, in)
	if err != nil {
		return "", err
	}
	a, err := s.deliver(ctx, c)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		s.log.Warn("product refused a callback", "path", c.Path, "status", a.status)
		return "", errRefused
	}
	reply, err := OpenReply(s.keys, c.Path, a.body)
	if err != nil {
		s.log.Warn("product replied what cannot be read", "path", c.Path, "error", err)
		return "", errBadReply
	}
	if reply == "" {
		return "", nil
	}
	_, err = s.say(name, Message{
		From: fromRobot, Kind: kindReply, Channel: line.Channel, Type: "text",
		Text: reply, Mentions: mentions(nil, reply),
	})
	return reply, err
}
