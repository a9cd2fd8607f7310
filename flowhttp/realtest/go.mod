module github.com/flowguard-go/flowguard/flowhttp/realtest

go 1.26.0

replace github.com/flowguard-go/flowguard => ../..

require (
	github.com/dunglas/httpsfv v1.1.2
	github.com/flowguard-go/flowguard v0.0.0-00010101000000-000000000000
	go.uber.org/goleak v1.3.0
)

require github.com/stretchr/testify v1.11.1 // indirect
