// Package processes tests flowredis with real processes and a real server. It kills and stops processes, and
// flushes, restarts and stops the server. An oracle checks all grants of all processes.
//
// Without redis-server or valkey-server the tests are skipped, unless FLOWGUARD_REDIS=required: then they fail.
// FLOWGUARD_REDIS_SERVER names another program to try.
package processes
