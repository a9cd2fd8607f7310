// Package browsertest tests the page of package debug in a real browser, Chromium without a screen.
//
// It is a module of its own because it needs a library that drives the browser. Run it in its folder:
//
//	go test ./...
//
// The browser is the first of chromium, chromium-browser and google-chrome that is in PATH. If there is none,
// the tests are skipped. With FLOWGUARD_BROWSER=required they fail instead. With FLOWGUARD_SCREENSHOTS=folder
// they write pictures of the page to that folder, for people to look at.
package browsertest
