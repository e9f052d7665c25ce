package systemd

import (
	"io/fs"
	"os"
)

// unitsOfMachine are the units that this machine's distribution has, which ours name.
func unitsOfMachine() fs.FS {
	return os.DirFS("/usr/lib/systemd/system")
}
