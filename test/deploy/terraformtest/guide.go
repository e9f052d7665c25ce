package terraformtest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// ShellBlocks sees that the commands of a guide can be pasted: each block of them is bash, with no marks to be replaced.
func ShellBlocks(t *testing.T, guide string) {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```bash\n(.*?)^```$").FindAllStringSubmatch(guide, -1)
	if len(blocks) == 0 {
		t.Error("no blocks of commands")
	}
	for _, b := range blocks {
		cmd := exec.Command("bash", "-n")
		cmd.Stdin = strings.NewReader(b[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, b[1])
		}
		if mark := regexp.MustCompile("<[a-z][a-z ]*>").FindString(b[1]); mark != "" {
			t.Errorf("%s has to be replaced before it can be pasted:\n%s", mark, b[1])
		}
	}
}
