package main

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// TestAServerThatHasNotBegunEnds: whoever stops the program right after its start
// must not wait for ever.
func TestAServerThatHasNotBegunEnds(t *testing.T) {
	for i := range 200 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := listen(fiber.New(fiber.Config{DisableStartupMessage: true}), listener, slog.New(slog.DiscardHandler))
		if i%2 == 1 {
			time.Sleep(time.Millisecond) // it may have begun
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := s.end(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}
