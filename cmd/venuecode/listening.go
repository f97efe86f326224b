package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/gofiber/fiber/v2"
)

// listening is a server that takes connections until it is ended.
type listening struct {
	app      *fiber.App
	listener net.Listener
	done     chan error
}

func listen(app *fiber.App, listener net.Listener, log *slog.Logger) *listening {
	l := &listening{app, listener, make(chan error, 1)}
	go func() {
		err := app.Listener(listener)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			log.Error("server ended", "address", listener.Addr().String(), "error", err)
		}
		l.done <- err
	}()
	return l
}

// end takes no more connections, and waits for the requests under way as long as
// ctx lets it. The listener is closed here as well: a shutdown that comes before
// the server has begun does nothing, and it would serve for ever.
func (l *listening) end(ctx context.Context) error {
	err := l.app.ShutdownWithContext(ctx)
	for _, e := range []error{l.listener.Close(), <-l.done} {
		if !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
