module github.com/flowguard-go/flowguard/flowhttp/realtest

go 1.26.0

replace github.com/flowguard-go/flowguard => ../..

require github.com/flowguard-go/flowguard v0.0.0-00010101000000-000000000000
