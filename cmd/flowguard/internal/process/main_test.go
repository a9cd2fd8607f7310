package process

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process/processtest"
	"go.uber.org/goleak"
)

// roleEnv makes the test binary play a command.
const roleEnv = "FLOWGUARD_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		play(role, os.Args[1:])
		return
	}
	processtest.Hear(os.Interrupt, syscall.SIGTERM)
	goleak.VerifyTestMain(m)
}

// play is what the test binary does as a command.
func play(role string, args []string) {
	switch role {
	case "echo":
		fmt.Println(strings.Join(args, "|"))
		fmt.Fprintln(os.Stderr, "said "+strings.Join(args, "|"))
	case "cat":
		fmt.Print("<")
		var b [1 << 16]byte
		for {
			n, err := os.Stdin.Read(b[:])
			os.Stdout.Write(b[:n])
			if err != nil {
				break
			}
		}
		fmt.Print(">")
	case "exit":
		var code int
		fmt.Sscan(args[0], &code)
		os.Exit(code)
	case "kill":
		p, _ := os.FindProcess(os.Getpid())
		p.Kill()
		select {}
	case "stubborn":
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
		hang(args[0])
	case "hang":
		hang(args[0])
	}
}

// hang tells by a file that it runs, and goes on for longer than any test.
func hang(name string) {
	if err := os.WriteFile(name, []byte(fmt.Sprint(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
	time.Sleep(time.Hour)
}
