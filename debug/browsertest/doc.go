// Package browsertest looks at the page of package debug with a real browser, Chromium, without a screen.
//
// It is a module of its own because it needs a library that drives the browser. Run it in its folder:
//
//	go test ./...
//
// The browser is the first of chromium, chromium-browser and google-chrome that is in PATH. Without one
// the tests are skipped, unless FLOWGUARD_BROWSER=required: then they fail. With
// FLOWGUARD_SCREENSHOTS=folder they leave pictures of the page there, for people to look at.
package browsertest
