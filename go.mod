module github.com/flowguard-go/flowguard

go 1.25

require (
	github.com/benbjohnson/clock v1.3.5
	go.uber.org/goleak v1.3.0
)
