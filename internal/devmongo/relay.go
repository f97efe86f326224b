package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/FerretDB/wire/wirebson"
)

// relay passes wire messages on, one at a time over all connections.
type relay struct {
	server string // FerretDB's address
	mu     sync.Mutex
}

func (r *relay) accept(l net.Listener) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go r.pass(client)
	}
}

// pass serves one connection until either side ends it.
func (r *relay) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := read(client)
		if err != nil {
			return
		}
		reply, err := r.ask(server, request)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// ask sends a message and awaits what is answered to it; nothing is, if the
// client wants nothing.
func (r *relay) ask(server net.Conn, request []byte) (reply []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	if opcode(request) == opMsg && flags(request)&moreToCome != 0 {
		return nil, nil
	}
	if reply, err = read(server); err != nil {
		return nil, err
	}
	return mend(reply), nil
}

// A message is a header of four numbers (length, id, id answered to, opcode),
// then, in an OP_MSG, flags and sections; an answer has one section of kind 0.
const (
	headerLen  = 16
	bodyAt     = headerLen + 4 + 1
	opMsg      = 2013
	moreToCome = 1 << 1
	maxLen     = 48 << 20
)

func opcode(m []byte) uint32 { return binary.LittleEndian.Uint32(m[12:]) }
func flags(m []byte) uint32  { return binary.LittleEndian.Uint32(m[headerLen:]) }

func read(from io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < bodyAt || n > maxLen {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	m := make([]byte, n)
	copy(m, head[:])
	_, err := io.ReadFull(from, m[len(head):])
	return m, err
}

// mend makes of an update that a unique index forbids what MongoDB makes of it.
// FerretDB tells of an internal error with SQLite's words.
func mend(reply []byte) []byte {
	if opcode(reply) != opMsg || !bytes.Contains(reply, []byte("UNIQUE constraint failed")) {
		return reply
	}
	answer, err := wirebson.RawDocument(reply[bodyAt:]).Decode()
	if err != nil || answer.Get("ok") != 0.0 {
		return reply
	}
	forbidden, err := wirebson.MustDocument(
		"n", int32(0), "nModified", int32(0),
		"writeErrors", wirebson.MustArray(wirebson.MustDocument(
			"index", int32(0), "code", int32(11000), "errmsg", "E11000 duplicate key error")),
		"ok", 1.0,
	).Encode()
	if err != nil {
		return reply
	}
	m := append(bytes.Clone(reply[:bodyAt]), forbidden...)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	return m
}
