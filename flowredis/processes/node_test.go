package processes

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/flowredis/internal/engine"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

// orders is what a node is told to do.
type orders struct {
	Addr     string
	Limits   scheduler.Limits
	Recovery flowredis.Recovery
	Workers  int
	Weight   int           // the largest; 0: 1
	Hold     time.Duration // for how long a worker holds a permit, on average
	Rest     time.Duration // for how long it rests between two calls, on average
	Tries    bool          // it tries instead of waiting
	File     string        // where its records go
}

const ordersInEnv = "FLOWGUARD_NODE"

func TestMain(m *testing.M) {
	if text := os.Getenv(ordersInEnv); text != "" {
		var o orders
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		if err := o.obey(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // the trials wait more than they work
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// record is one event in the file of a node. The file is mapped into memory, so a node that is killed has written
// what it had done.
type record struct {
	at     int64 // nanoseconds of the machine's monotonic clock, which all processes share
	kind   uint32
	weight uint32
	number uint64
}

const (
	recordSize = 24
	maxRecords = 400_000
)

func monotonic() int64 {
	var ts syscall.Timespec
	const clockMonotonic = 1
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		panic(e)
	}
	return ts.Nano()
}

// obey is what a node does, until its standard input ends.
func (o *orders) obey() error {
	file, err := os.OpenFile(o.File, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Truncate(recordSize * maxRecords); err != nil {
		return err
	}
	log, err := syscall.Mmap(int(file.Fd()), 0, recordSize*maxRecords, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	rdb := engine.ClientOf(o.Addr)
	defer rdb.Close()
	s, err := scheduler.New(o.Limits, flowredis.Share(rdb, "processes", flowredis.OnLoss(o.Recovery)))
	if err != nil {
		return err
	}
	base, baseReading := time.Now(), monotonic()
	w, err := s.Watch(131_072)
	if err != nil {
		return err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		i := 0
		for e := range w.Events() {
			switch e.Kind {
			case scheduler.EventGranted, scheduler.EventReleased, scheduler.EventUndone:
			default:
				continue
			}
			to := log[i*recordSize:]
			binary.NativeEndian.PutUint32(to[8:], uint32(e.Kind))
			binary.NativeEndian.PutUint32(to[12:], uint32(e.Weight))
			binary.NativeEndian.PutUint64(to[16:], uint64(e.Number))
			binary.NativeEndian.PutUint64(to, uint64(baseReading+int64(e.At.Sub(base)))) // last: it says that the record is there
			i++
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for range o.Workers {
		working.Go(func() { o.work(ctx, s) })
	}
	io.Copy(io.Discard, os.Stdin)
	cancel()
	working.Wait()
	s.Close()
	<-written
	if n := w.Missed(); n > 0 {
		return fmt.Errorf("%d events were lost", n)
	}
	return nil
}

func (o *orders) work(ctx context.Context, s *scheduler.Scheduler) {
	some := func(d time.Duration) {
		if d > 0 {
			time.Sleep(time.Duration(rand.Int64N(2 * int64(d))))
		}
	}
	for ctx.Err() == nil {
		some(o.Rest)
		weight := 1 + rand.IntN(max(1, o.Weight))
		if o.Tries {
			if t, ok := s.TryAcquireN(weight); ok {
				some(o.Hold)
				t.Release()
			}
			continue
		}
		t, err := s.AcquireN(ctx, weight)
		if err != nil {
			return
		}
		some(o.Hold)
		t.Release()
	}
}

// node is a process that has its orders.
type node struct {
	*orders
	cmd   *exec.Cmd
	stdin io.Closer
	ended bool

	cut   int64 // when it was killed or stopped, by the machine's monotonic clock; 0: never
	alive int64 // until when what it holds counts after that
}

// begin starts a node in a process of its own.
func (o orders) begin(t *testing.T) *node {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "node")
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	o.File = file.Name()
	text, err := json.Marshal(&o)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{orders: &o, cmd: exec.Command(os.Args[0])}
	n.cmd.Env = append(os.Environ(), ordersInEnv+"="+string(text), "GOMAXPROCS=2")
	n.cmd.Stderr = os.Stderr
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !n.ended {
			n.kill()
		}
	})
	return n
}

// waitUntilGranted waits until the node has been granted something.
func (n *node) waitUntilGranted(t *testing.T) {
	t.Helper()
	for range 3000 {
		if len(n.records(t, 1)) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("a node was granted nothing in 30 s")
}

// end lets the node end in good order.
func (n *node) end(t *testing.T) {
	if n.ended {
		return
	}
	n.ended = true
	n.stdin.Close()
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("a node: %v", err)
	}
}

// kill ends it as a crash does.
func (n *node) kill() {
	n.ended = true
	n.cmd.Process.Kill()
	n.cmd.Wait()
	n.cut = monotonic()
	n.alive = n.cut
}

// stop keeps it from running, until resume.
func (n *node) stop() {
	n.cmd.Process.Signal(syscall.SIGSTOP)
	n.cut = monotonic()
	n.alive = n.cut + int64(time.Second) // the lease: then what it holds counts as given back
}

func (n *node) resume() { n.cmd.Process.Signal(syscall.SIGCONT) }

// records returns what the node did, up to so many records.
func (n *node) records(t *testing.T, most int) (all []record) {
	file, err := os.Open(n.File)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(most)*recordSize))
	if err != nil {
		t.Fatal(err)
	}
	for ; len(data) >= recordSize; data = data[recordSize:] {
		r := record{
			at:     int64(binary.NativeEndian.Uint64(data)),
			kind:   binary.NativeEndian.Uint32(data[8:]),
			weight: binary.NativeEndian.Uint32(data[12:]),
			number: binary.NativeEndian.Uint64(data[16:]),
		}
		if r.at == 0 {
			break
		}
		all = append(all, r)
	}
	return all
}
