package main

import "runtime/debug"

// version is the version of the module that was installed, or of the checkout it was built in.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
