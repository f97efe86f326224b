// Command drive starts a built venuecode as its quiet demo, does over HTTP what
// a resident and a member of staff do, and stops it.
//
//	go run .ci/drive.go ./venuecode
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run .ci/drive.go BINARY")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := drive(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "drive:", err)
		os.Exit(1)
	}
}

func drive(ctx context.Context, binary string) (err error) {
	demo := exec.CommandContext(ctx, binary, "demo", "--json", "--quiet",
		"--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--clock", "2022-05-18T14:30:00+08:00")
	demo.Stderr = os.Stderr
	stdout, err := demo.StdoutPipe()
	if err != nil {
		return err
	}
	if err := demo.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, demo.Process.Signal(syscall.SIGTERM))
		if e := demo.Wait(); e != nil {
			err = errors.Join(err, fmt.Errorf("demo did not stop cleanly: %w", e))
		}
	}()
	var ready struct{ Event, URL, Sim string }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("demo said nothing: %w", err)
	}
	if err := json.Unmarshal(line, &ready); err != nil || ready.Event != "ready" {
		return fmt.Errorf("first line is %q, want the ready event", line)
	}
	return day(ctx, ready.URL, ready.Sim)
}

// day is one afternoon of one unit: a scan, a count, the deadline.
func day(ctx context.Context, product, sim string) error {
	var document struct{ OpenAPI string }
	if err := call(ctx, http.MethodGet, product+"/openapi.json", nil, &document); err != nil {
		return err
	}
	if document.OpenAPI != "3.1.0" {
		return fmt.Errorf("openapi is %q, want 3.1.0", document.OpenAPI)
	}
	var city struct {
		Units     []struct{ ID, Duty string }
		Doors     []struct{ Link, Unit, Venue string }
		Staff     []struct{ UserID, Unit, Group string }
		Residents []struct {
			Name, Phone string
			ID          string `json:"id_number"`
		}
	}
	if err := call(ctx, http.MethodGet, sim+"/sim/city", nil, &city); err != nil {
		return err
	}
	duty := map[string]string{}
	for _, u := range city.Units {
		duty[u.ID] = u.Duty
	}
	member := city.Staff[0]
	for _, s := range city.Staff {
		if duty[s.Unit] == "reports" {
			member = s
			break
		}
	}
	door := city.Doors[0]
	for _, d := range city.Doors {
		if d.Unit == member.Unit {
			door = d
			break
		}
	}

	resident := city.Residents[0]
	var phone struct{ ID string }
	if err := call(ctx, http.MethodPost, sim+"/sim/phones", map[string]any{
		"app": "wechat", "name": resident.Name, "id_number": resident.ID, "phone": resident.Phone,
	}, &phone); err != nil {
		return err
	}
	scan := map[string]any{"link": door.Link, "direction": "in", "request_id": "drive-1"}
	var first, again struct {
		Status int
		Body   struct {
			ScanID                  string `json:"scan_id"`
			Venue, Health, Decision string
		}
	}
	if err := call(ctx, http.MethodPost, sim+"/sim/phones/"+phone.ID+"/scans", scan, &first); err != nil {
		return err
	}
	if b := first.Body; first.Status != http.StatusOK || b.Venue != door.Venue || b.Health != "green" || b.Decision != "admit" || b.ScanID == "" {
		return fmt.Errorf("scan answered %+v, want green and admitted at %s", first, door.Venue)
	}
	if err := call(ctx, http.MethodPost, sim+"/sim/phones/"+phone.ID+"/scans", scan, &again); err != nil {
		return err
	}
	if again != first {
		return fmt.Errorf("the same request answered %+v, then %+v", first, again)
	}

	var said struct{ Reply string }
	if err := call(ctx, http.MethodPost, sim+"/sim/groups/"+member.Group+"/messages", map[string]any{"from": member.UserID, "text": "今日扫码１次"}, &said); err != nil {
		return err
	}
	if !strings.Contains(said.Reply, "扫码 1 次") {
		return fmt.Errorf("reply to a report of 1 is %q", said.Reply)
	}
	var moved struct {
		Now string
		Ran int
	}
	if err := call(ctx, http.MethodPost, sim+"/sim/clock", map[string]any{"now": "2022-05-18T16:15:00+08:00"}, &moved); err != nil {
		return err
	}
	if moved.Ran == 0 || !strings.HasPrefix(moved.Now, "2022-05-18T16:15:00") {
		return fmt.Errorf("moving past the deadline answered %+v", moved)
	}
	var group struct{ Messages []struct{ Kind, Text string } }
	if err := call(ctx, http.MethodGet, sim+"/sim/groups/"+member.Group+"/messages", nil, &group); err != nil {
		return err
	}
	for _, m := range group.Messages {
		if m.Kind == "digest" {
			fmt.Printf("drive: scan %s, reply %q, and the digest went out\n", first.Body.Decision, said.Reply)
			return nil
		}
	}
	return fmt.Errorf("no digest among the %d messages of group %s", len(group.Messages), member.Group)
}

// call makes one call and reads its JSON answer; any status but 200 is an error.
func call(ctx context.Context, method, url string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, url, &body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %d: %s", method, url, response.StatusCode, answer)
	}
	return json.Unmarshal(answer, out)
}
