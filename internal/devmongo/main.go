// Devmongo is a development server that speaks the MongoDB wire protocol:
// FerretDB on SQLite behind a relay. Tests run the MongoDB engine against it
// where no real server can be installed.
//
//	devmongo -dir folder [-listen 127.0.0.1:0]
//
// It prints the address that it listens on as its first line, keeps everything
// in the folder, and ends when its standard input is closed, so that it never
// outlives the test that started it.
//
// FerretDB's updates of one document are not atomic: of many increments at once
// some are lost. The relay lets one message at a time through to it and awaits
// the answer; then they are.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime/debug"
	"strings"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	dir := flag.String("dir", "", "existing folder for the databases")
	listen := flag.String("listen", "127.0.0.1:0", "address of the relay")
	flag.Parse()
	if err := serve(*dir, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "devmongo:", err)
		os.Exit(1)
	}
}

func serve(dir, listen string) error {
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + strings.TrimSuffix(dir, "/") + "/?_pragma=synchronous(off)", // kill -9 loses nothing of it
	})
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // it makes much garbage of every row that it reads
	go server.Run(context.Background())
	address, err := url.Parse(server.MongoDBURI()) // waits until it listens
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return (&relay{server: address.Host}).accept(l)
}
