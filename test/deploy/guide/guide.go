// Package guide takes the commands out of pages that tell people what to paste. A block that begins with "```sh test" is to be
// run by a test, one after the other as a reader would; "```sh" and "```bash" are to be read by a shell only, since they need what
// a test has not. It knows no page and runs nothing of them.
package guide

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Block is one block of commands, without the indentation that it has in a list.
type Block struct {
	Text string
	Run  bool
}

var fence = regexp.MustCompile("(?ms)^([ \t]*)```(bash|sh|sh test)\n(.*?)^[ \t]*```[ \t]*$")

// Blocks are those of a page, in its order.
func Blocks(page string) []Block {
	var list []Block
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		var text strings.Builder
		for line := range strings.Lines(m[3]) {
			text.WriteString(strings.TrimPrefix(line, m[1]))
		}
		list = append(list, Block{text.String(), m[2] == "sh test"})
	}
	return list
}

// Script is what a test is to run of a page; "" where there is nothing.
func Script(page string) string {
	var all strings.Builder
	for _, b := range Blocks(page) {
		if b.Run {
			all.WriteString(b.Text)
		}
	}
	return all.String()
}

var mark = regexp.MustCompile("<[a-z][a-z ]*>")

// Complaints are what is wrong with the blocks of a page by themselves: none at all, one that is no bash, one with a mark that has to be
// replaced before it can be pasted.
func Complaints(page string) []string {
	blocks := Blocks(page)
	if len(blocks) == 0 {
		return []string{"no blocks of commands"}
	}
	var list []string
	for _, b := range blocks {
		cmd := exec.Command("bash", "-n")
		cmd.Stdin = strings.NewReader(b.Text)
		if out, err := cmd.CombinedOutput(); err != nil {
			list = append(list, fmt.Sprintf("%v: %s\n%s", err, out, b.Text))
		}
		if m := mark.FindString(b.Text); m != "" {
			list = append(list, fmt.Sprintf("%s has to be replaced before it can be pasted:\n%s", m, b.Text))
		}
	}
	return list
}

// Check fails the test where there are complaints.
func Check(t *testing.T, page string) {
	t.Helper()
	for _, c := range Complaints(page) {
		t.Error(c)
	}
}
