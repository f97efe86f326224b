package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func keysCustodianCommand() *cobra.Command {
	var f toolFlags
	var suite, to string
	c := &cobra.Command{
		Use:   "custodian --to FILE",
		Short: "Make the key pair of somebody who will hold copies of the keys",
		Long: "Make the key pair of somebody who will hold copies of the keys: FILE is theirs alone\n" +
			"and never comes near the server, FILE.pub is what copies are sealed to. It needs no\n" +
			"server; run it on the custodian's machine.",
		Args: usage(flagsOnly("to")),
		RunE: func(c *cobra.Command, _ []string) error {
			key, err := vault.NewPrivateKey(suite, random)
			if err != nil {
				return err
			}
			if err := writeNew(to, 0o600, []byte(key.Reveal()+"\n")); err != nil {
				return err
			}
			public := key.Public()
			if err := writeNew(to+".pub", 0o644, []byte(public.String()+"\n")); err != nil {
				return errors.Join(err, os.Remove(to)) // or it lay beside another's public key
			}
			return f.tell(c, map[string]string{"suite": suite, "private": to, "public": to + ".pub", "fingerprint": public.Fingerprint()},
				fmt.Sprintf("private key %s, public key %s.pub\nfingerprint %s", to, to, public.Fingerprint()))
		},
	}
	f.addJSON(c)
	c.Flags().StringVar(&suite, "suite", "intl", "the suite of the vault whose copies it will open: intl or gm")
	c.Flags().StringVar(&to, "to", "", "the new file of the private key")
	return c
}

// escrowed is a copy of the keys that was written.
type escrowed struct {
	File    string           `json:"file"`
	SHA256  string           `json:"sha256"` // of the file; the trail has it too
	Request string           `json:"request"`
	Head    vault.EscrowHead `json:"head"`
}

func keysEscrowCommand() *cobra.Command {
	var f toolFlags
	var custodian, to, request string
	var days int
	c := &cobra.Command{
		Use:   "escrow --custodian FILE.pub --request ID --to FILE",
		Short: "Write a copy of the keys that only a custodian can open, for some days",
		Long: "Write a copy of the keys that only a custodian can open, for some days. A second\n" +
			"account has approved the request for it, which says the days and the custodian's\n" +
			"fingerprint. Left out are the days that will be destroyed before the copy expires.",
		Args: usage(flagsOnly("custodian", "to", "request")),
		RunE: func(c *cobra.Command, _ []string) error {
			key, err := os.ReadFile(custodian)
			if err != nil {
				return err
			}
			path, err := filepath.Abs(to)
			if err != nil {
				return err
			}
			var made escrowed
			answer, err := f.ask(c, "keys-escrow", escrowQuestion{string(key), path, days, request}, &made)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				return fmt.Sprintf("copy of the keys written to %s\nSHA-256 %s\ndays from %s on; it expires at %s", made.File, made.SHA256, made.Head.Oldest, venue.FormatInstant(made.Head.Expires))
			})
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&custodian, "custodian", "", "the custodian's public key")
	c.Flags().StringVar(&to, "to", "", "the new file")
	c.Flags().IntVar(&days, "days", 0, "how long it lives, at most as long as was approved (default: as long)")
	c.Flags().StringVar(&request, "request", "", "the approved request")
	return c
}

type escrowQuestion struct {
	Custodian string `json:"custodian"` // the public key
	File      string `json:"to_file"`
	Days      int    `json:"days"` // 0: as approved
	Request   string `json:"request"`
}

func keysEscrowTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q escrowQuestion
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	// What can be wrong is looked for before the request is used up.
	if _, err := vault.ParsePublicKey(q.Custodian); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(q.File); err == nil {
		return nil, fmt.Errorf("%s is there already", q.File)
	}
	request, err := a.officials.Take(ctx, "escrow", q.Request)
	if errors.Is(err, venue.ErrNotFound) {
		return nil, fmt.Errorf("no approved request %q for a copy of the keys waits to be done", q.Request)
	} else if err != nil {
		return nil, err
	}
	made, err := a.escrow(ctx, request, q)
	if err != nil {
		return nil, fmt.Errorf("%w; the request is used up", err)
	}
	return made, nil
}

// escrow does what a request allows: its subject is the days a copy may live, a
// blank, and the custodian's fingerprint. The copy is in the trail, then on the
// list of copies, then in its file, so that there is none that nobody knows of.
func (a *app) escrow(ctx context.Context, request access.Request, q escrowQuestion) (made escrowed, err error) {
	custodian, err := vault.ParsePublicKey(q.Custodian)
	if err != nil {
		return made, err
	}
	text, fingerprint, _ := strings.Cut(request.Subject, " ")
	most, err := strconv.Atoi(text)
	if err != nil {
		return made, fmt.Errorf("request %s does not say for how many days", request.ID)
	}
	days := q.Days
	if days == 0 {
		days = most
	}
	if days < 1 || days > most {
		return made, fmt.Errorf("%d days were asked for, %d are approved", days, most)
	}
	if own := custodian.Fingerprint(); own != fingerprint {
		return made, fmt.Errorf("the public key is that of %s, approved is %s", own, fingerprint)
	}
	err = a.retention.Still(func() error {
		now := a.clock.Now()
		expires := now.Add(time.Duration(days) * 24 * time.Hour)
		copied, err := a.vault.Escrow(custodian, a.retention.First(expires), now, expires)
		if err != nil {
			return err
		}
		head, err := vault.ReadEscrow(copied)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(copied)
		made = escrowed{q.File, hex.EncodeToString(sum[:]), request.ID, head}
		details := map[string]string{
			"by": request.By, "approver": request.Approver, "custodian": fingerprint, "sha256": made.SHA256,
			"oldest": head.Oldest.String(), "expires": venue.FormatInstant(head.Expires),
		}
		if err := a.record(ctx, "keys.escrow", audit.Object{Kind: "request", ID: request.ID}, details); err != nil {
			return err
		}
		row := store.EscrowRow{Made: head.Made, Expires: head.Expires, Oldest: int32(head.Oldest), By: request.By, Approver: request.Approver}
		if err := store.NewCollection[store.EscrowRow](a.engine, store.Escrows).Insert(ctx, request.ID, row); err != nil {
			return err
		}
		return writeNew(q.File, 0o600, copied)
	})
	return made, err
}

// officeKeys are the keys as the console shows them.
type officeKeys struct {
	*vault.Vault
	app *app
}

func (k officeKeys) Escrows(ctx context.Context) (living []store.EscrowRow, err error) {
	rows, err := store.NewCollection[store.EscrowRow](k.app.engine, store.Escrows).All(ctx, store.Query{Index: "expires", From: k.app.clock.Now().Add(time.Millisecond)})
	for _, r := range rows {
		living = append(living, r.Value)
	}
	return living, err
}

func keysRestoreCommand() *cobra.Command {
	var f toolFlags
	var from, private, to string
	c := &cobra.Command{
		Use:   "restore --escrow FILE --key PRIVATE --to DIR",
		Short: "Make a new key folder of a copy of the keys",
		Long: "Make a new key folder of a copy of the keys, with a root key of its own. It needs no\n" +
			"server. A copy that has expired is refused; compare the SHA-256 with the audit trail.",
		Args: usage(flagsOnly("escrow", "key", "to")),
		RunE: func(c *cobra.Command, _ []string) error {
			copied, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(private)
			if err != nil {
				return err
			}
			key, err := vault.ParsePrivateKey(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", private, err)
			}
			head, err := vault.RestoreEscrow(copied, key, machine.Now(), to, random)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(copied)
			return f.tell(c, map[string]any{"folder": to, "sha256": hex.EncodeToString(sum[:]), "head": head},
				fmt.Sprintf("keys of %s restored to %s\nSHA-256 of the copy %x\ndays from %s on", venue.FormatInstant(head.Made), to, sum, head.Oldest))
		},
	}
	f.addJSON(c)
	c.Flags().StringVar(&from, "escrow", "", "the copy of the keys")
	c.Flags().StringVar(&private, "key", "", "the custodian's private key")
	c.Flags().StringVar(&to, "to", "", "the new key folder")
	return c
}

// flagsOnly takes no arguments, and wants flags.
func flagsOnly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		for _, name := range names {
			if !c.Flags().Changed(name) {
				return fmt.Errorf("say --%s", name)
			}
		}
		return cobra.NoArgs(c, args)
	}
}

// writeNew writes a file that must not be there, and syncs it.
func writeNew(path string, mode fs.FileMode, b []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already", path)
	} else if err != nil {
		return err
	}
	_, err = file.Write(b)
	return errors.Join(err, file.Sync(), file.Close())
}
