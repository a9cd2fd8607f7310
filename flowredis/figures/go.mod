module github.com/flowguard-go/flowguard/flowredis/figures

go 1.26.0

replace (
	github.com/flowguard-go/flowguard => ../../
	github.com/flowguard-go/flowguard/flowredis => ../
)

require (
	github.com/flowguard-go/flowguard v0.1.0
	github.com/flowguard-go/flowguard/flowredis v0.0.0-00010101000000-000000000000
	github.com/go-redis/redis_rate/v10 v10.0.1
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
	github.com/redis/go-redis/v9 v9.17.3 // indirect
)
