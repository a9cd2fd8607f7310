module github.com/flowguard-go/flowguard/flowhttp/realserver

go 1.26.0

replace github.com/flowguard-go/flowguard => ../..

require (
	github.com/coder/websocket v1.8.15
	github.com/dunglas/httpsfv v1.1.2
	github.com/flowguard-go/flowguard v0.0.0-00010101000000-000000000000
	github.com/go-chi/chi/v5 v5.5.0
	github.com/gorilla/websocket v1.5.3
	go.uber.org/goleak v1.3.0
)

require github.com/benbjohnson/clock v1.3.5 // indirect
