package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/joblog"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a run with work of the test's own, in a bubble.
type rig struct {
	Engine
	limits     string
	options    []scheduler.Option
	in         io.Reader
	interrupts chan struct{}
	said       strings.Builder
	status     int
}

// work is what a test does with an item.
type work func(stop process.Stop, i items.Item) process.Exit

func (w work) Do(stop process.Stop, i items.Item) process.Exit { return w(stop, i) }
func (w work) Publish(*process.Output) error                   { return nil }
func (w work) Line(i items.Item) string                        { return "cmd " + string(i.Text) }

func (r *rig) run(t *testing.T) {
	t.Helper()
	var err error
	if r.Turns, err = scheduler.New(scheduler.MustParseLimits(r.limits), r.options...); err != nil {
		t.Fatal(err)
	}
	defer r.Turns.Close()
	if r.Input, err = items.NewReader(items.Options{}, r.in); err != nil {
		t.Fatal(err)
	}
	defer r.Input.Close()
	if r.interrupts == nil {
		r.interrupts = make(chan struct{}, 3)
	}
	r.Interrupts, r.Screen, r.Grace = r.interrupts, screen.New(&r.said, "flowguard", false, true), 5*time.Second
	r.status = r.Run(t.Context())
}

func (r *rig) check(t *testing.T, status int, said string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.said.String(), said) {
		t.Errorf("status %d, want %d; said\n%s\nwant\n%s", r.status, status, r.said.String(), said)
	}
}

func numbers(n int) io.Reader {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i+1)
	}
	return strings.NewReader(text.String())
}

var ok process.Exit

func failed(code int) process.Exit {
	return process.Exit{Err: fmt.Errorf("exit status %d", code), Code: code}
}

// takes is work that takes so long, and ends early if it is asked to.
func takes(d time.Duration) work {
	return func(stop process.Stop, _ items.Item) process.Exit {
		select {
		case <-time.After(d):
			return ok
		case <-stop.Ask:
		case <-stop.Kill:
		}
		return process.Exit{Err: errors.New("signal: terminated"), Code: -1, Signal: 15, Stopped: true}
	}
}

func TestBurstBoundsWhatRuns(t *testing.T) {
	for _, burst := range []int64{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int64
			r := rig{limits: fmt.Sprintf("100/s burst %d", burst), in: numbers(12)}
			r.Work = work(func(process.Stop, items.Item) process.Exit {
				n := running.Add(1)
				defer running.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				return ok
			})
			r.run(t)
			if most.Load() != burst {
				t.Errorf("%d ran at once, burst is %d", most.Load(), burst)
			}
			r.check(t, 0, fmt.Sprintf("flowguard: 12 lines in %ds (%d/s), 0 failed\n", 12/burst, burst))
		})
	}
}

func TestFailuresGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig{limits: "1/s", in: numbers(4)}
		r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
			if i.Seq%2 == 0 {
				return failed(7)
			}
			return ok
		})
		r.run(t)
		r.check(t, 123, "flowguard: line 2: exit status 7 (cmd 2)\nflowguard: line 4: exit status 7 (cmd 4)\nflowguard: 4 lines in 3s (1.3/s), 2 failed\n")
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := map[int]int{}
		began := time.Now()
		var at []time.Duration
		r := rig{limits: "100/s burst 1", in: numbers(3)}
		r.Retry = Retry{Times: 2, Delay: 8 * time.Second, On: []int{7}}
		r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
			tries[i.Seq]++
			switch {
			case i.Seq == 1 && tries[1] < 3:
				at = append(at, time.Since(began))
				return failed(7)
			case i.Seq == 1:
				at = append(at, time.Since(began))
			case i.Seq == 2:
				return failed(8)
			}
			return ok
		})
		r.run(t)
		if fmt.Sprint(tries) != "map[1:3 2:1 3:1]" {
			t.Errorf("tries %v", tries)
		}
		if d := at[1] - at[0]; d < 4*time.Second || d > 8*time.Second {
			t.Errorf("the first retry comes after %v", d)
		}
		if d := at[2] - at[1]; d < 8*time.Second || d > 16*time.Second {
			t.Errorf("the second retry comes after %v", d)
		}
		r.check(t, 123, "flowguard: line 1: exit status 7 (cmd 1); try 2 of 3 in ")
		r.check(t, 123, "3 lines in ")
		r.check(t, 123, "1 failed\n")
	})
}

// Each attempt takes a permit: the server counts it too.
func TestRetriesKeepTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		r := rig{limits: "1/10s", in: numbers(1)}
		r.Retry = Retry{Times: 2, Delay: time.Second}
		r.Work = work(func(process.Stop, items.Item) process.Exit {
			at = append(at, time.Since(began))
			return failed(1)
		})
		r.run(t)
		if fmt.Sprint(at) != "[0s 10s 20s]" {
			t.Errorf("tries at %v", at)
		}
		r.check(t, 123, "1 line in 20s, 1 failed")
	})
}

// Jobs 1, 3, 5, … fail.
func TestHalt(t *testing.T) {
	for _, tt := range []struct {
		halt   string
		status int
		done   int
	}{
		{"never", 123, 10}, {"soon,fail=1", 123, 1}, {"soon,fail=2", 123, 3}, {"now,success=1", 0, 2}, {"now,success=99", 0, 10},
		{"soon,done=3", 123, 3}, {"soon,fail=60%", 123, 3}, {"soon,fail=99%", 123, 10}, {"soon,success=100%", 0, 10},
	} {
		t.Run(tt.halt, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig{limits: "burst 1", in: numbers(10)}
				if err := r.Halt.Set(tt.halt); err != nil {
					t.Fatal(err)
				}
				r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
					time.Sleep(time.Second)
					if i.Seq%2 == 1 {
						return failed(1)
					}
					return ok
				})
				r.run(t)
				r.check(t, tt.status, fmt.Sprintf("flowguard: %s in %ds", screen.Count(tt.done, "line"), tt.done))
				if tt.done < 10 {
					r.check(t, tt.status, fmt.Sprintf("halt: %s is reached\nflowguard: stopped: %d lines not run\n", tt.halt, 10-tt.done))
				}
			})
		})
	}
}

func TestHaltNowEndsWhatRuns(t *testing.T) {
	for _, when := range []string{"now", "soon"} {
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "burst 3", in: numbers(9)}
			if err := r.Halt.Set(when + ",fail=1"); err != nil {
				t.Fatal(err)
			}
			r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
				if i.Seq == 2 {
					time.Sleep(time.Second)
					return failed(1)
				}
				return takes(time.Duration(i.Seq)*4*time.Second)(stop, i)
			})
			r.run(t)
			want := "is reached: waiting for 2 commands: cmd 1 (1s) and 1 more\nflowguard: stopped: 6 lines not run\nflowguard: 3 lines in 12s"
			if when == "now" {
				want = "is reached: waiting for 2 commands: cmd 1 (1s) and 1 more\nflowguard: stopped: 2 lines cut short, 6 lines not run\nflowguard: 1 line in 1s"
			}
			if !strings.Contains(r.said.String(), "cmd 1 (1s)") {
				want = strings.Replace(want, "cmd 1", "cmd 3", 1) // both began in the same instant
			}
			r.check(t, 123, want)
		})
	}
}

func TestHaltText(t *testing.T) {
	for _, text := range []string{"", "no", "now", "now,", "now,fail", "now,fail=", "now,fail=0", "now,fail=-1", "now,fail=101%", "later,fail=1", "now,wins=1", "never,fail=1"} {
		var h Halt
		if h.Set(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// As xargs does: status 255 and signals begin nothing more and wait for what runs.
func TestCommandThatStopsTheRun(t *testing.T) {
	killed := process.Exit{Err: errors.New("signal: killed"), Code: -1, Signal: 9}
	timedOut := killed
	timedOut.TimedOut = true
	for _, tt := range []struct {
		exit   process.Exit
		halt   string
		status int
		done   int
	}{
		{failed(255), "", 124, 3}, {killed, "", 125, 3}, {timedOut, "", 123, 9}, {failed(254), "", 123, 9},
		{failed(255), "never", 123, 9}, {killed, "never", 123, 9},
		{process.Exit{Err: Fatal(126, errors.New("no program"))}, "", 126, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "burst 2", in: numbers(9)}
			if tt.halt != "" {
				r.Halt.Set(tt.halt)
			}
			r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
				if i.Seq == 3 {
					return tt.exit
				}
				time.Sleep(time.Duration(i.Seq) * time.Second)
				return ok
			})
			r.run(t)
			r.check(t, tt.status, fmt.Sprintf("flowguard: %d lines in", tt.done))
		})
	}
}

func TestCtrlC(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		lines int
		said  string
	}{
		{"halfway", 3500 * time.Millisecond, 10, "interrupted: 6 lines not run\nflowguard: 4 lines in 3.5s"},
		{"more than is read ahead", 3500 * time.Millisecond, 5000, "at least 1002 lines not run, the input was not read"},
		{"in the instant of a grant", 2 * time.Second, 10, "lines not run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig{limits: "1/s burst 1", in: numbers(tt.lines), interrupts: make(chan struct{}, 3)}
				r.Work = &Printer{W: io.Discard, End: '\n'}
				time.AfterFunc(tt.after, func() { r.interrupts <- struct{}{} })
				r.run(t)
				r.check(t, 130, tt.said)
			})
		})
	}
}

func TestCtrlCAsksCommandsToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig{limits: "burst 2", in: numbers(5), interrupts: make(chan struct{}, 3)}
		r.Work = takes(time.Hour)
		time.AfterFunc(time.Second, func() { r.interrupts <- struct{}{} })
		r.run(t)
		r.check(t, 130, "interrupted: waiting for 2 commands: cmd ")
		r.check(t, 130, "(1s) and 1 more; killed in 5s, or by another Ctrl-C\nflowguard: interrupted: 2 lines cut short, 3 lines not run\nflowguard: 0 lines in 1s, 0 failed")
	})
}

func TestSecondCtrlCKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig{limits: "burst 2", in: numbers(2), interrupts: make(chan struct{}, 3)}
		r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
			<-stop.Kill
			return process.Exit{Err: errors.New("signal: killed"), Code: -1, Signal: 9, Stopped: true, Killed: true}
		})
		for n := range 2 {
			time.AfterFunc(time.Duration(n+1)*time.Second, func() { r.interrupts <- struct{}{} })
		}
		r.run(t)
		r.check(t, 130, "interrupted again: killing 2 commands\nflowguard: 2 commands killed; none is left running\n"+
			"flowguard: interrupted: 2 lines cut short, 0 lines not run\nflowguard: 0 lines in 2s")
	})
}

func TestCtrlCBeforeAnyInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, typing := io.Pipe()
		defer typing.Close()
		r := rig{limits: "1/s", in: in, interrupts: make(chan struct{}, 3)}
		r.Work = &Printer{W: io.Discard}
		time.AfterFunc(time.Second, func() { r.interrupts <- struct{}{} })
		r.run(t)
		r.check(t, 130, "interrupted: the input was not read to its end\nflowguard: 0 lines in 1s")
	})
}

func TestCtrlCWhileOutputIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, stuck := io.Pipe()
		defer reading.Close()
		r := rig{limits: "1/s burst 1", in: numbers(3), interrupts: make(chan struct{}, 3)}
		r.Work = &Printer{W: stuck, End: '\n'}
		time.AfterFunc(time.Second, func() { r.interrupts <- struct{}{} })
		r.run(t)
		r.check(t, 130, "1 line cut short, 2 lines not run\nflowguard: 0 lines in 2s")
	})
}

// What was granted while the output was held up must not come all at once when it moves on.
func TestStuckOutputDoesNotBunchLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		r := rig{limits: "1/s burst 1", in: numbers(5)}
		r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
			if i.Seq == 2 {
				time.Sleep(10 * time.Second)
			}
			at = append(at, time.Since(began))
			return ok
		})
		r.run(t)
		if got, want := fmt.Sprint(at), "[0s 11s 11s 12s 13s]"; got != want {
			t.Errorf("lines at %s, want %s", got, want)
		}
	})
}

func TestOutputThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, broken := io.Pipe()
		reading.CloseWithError(errors.New("no space left"))
		r := rig{limits: "9/s burst 1", in: numbers(3)}
		printer := &Printer{W: broken, End: '\n'}
		r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
			time.Sleep(time.Second) // until all is read
			return printer.Do(stop, i)
		})
		r.run(t)
		r.check(t, 1, "line 1: no space left; no more lines are begun\nflowguard: stopped: 2 lines not run")
	})
}

// Half a line must not be run as if it were one.
func TestInputThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		r := rig{limits: "9/s", in: io.MultiReader(strings.NewReader("a\nrm -rf /tm"), iotest.ErrReader(errors.New("disk on fire")))}
		r.Work = &Printer{W: &out, End: '\n'}
		r.run(t)
		r.check(t, 1, "flowguard: reading: disk on fire\nflowguard: 1 line in")
		if out.String() != "a\n" {
			t.Errorf("printed %q", out.String())
		}
	})
}

// Bytes pass through exactly: also a last line without a newline stays one.
func TestPrinting(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"nothing": "", "one line": "a\n", "no final newline": "a\nb", "empty lines": "\n\n", "other bytes": "a\r\n\x00\xff\n\x80",
		"1 MiB": long + "\n" + long + long + "\nend", "more than is read ahead": strings.Repeat("line\n", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				r := rig{limits: "100000/s burst 1", in: strings.NewReader(text)}
				r.Work = &Printer{W: &out, End: '\n'}
				r.run(t)
				if out.String() != text {
					t.Errorf("%.100q came out as %.100q", text, out.String())
				}
				r.check(t, 0, "0 failed")
			})
		})
	}
}

// published is work that notes the order in which it is published.
type published struct {
	work
	order []string
	stuck chan struct{} // if set, publishing waits for it
}

func (p *published) Publish(o *process.Output) error {
	if p.stuck != nil {
		<-p.stuck
	}
	var b strings.Builder
	o.Stdout.WriteTo(&b)
	p.order = append(p.order, b.String())
	return nil
}

func output(text string) *process.Output {
	return &process.Output{Stdout: process.InMemory(text)}
}

func TestKeepOrder(t *testing.T) {
	for _, keep := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := &published{work: func(_ process.Stop, i items.Item) process.Exit {
				time.Sleep(time.Duration(10-i.Seq) * time.Second)
				return process.Exit{Output: output(string(i.Text))}
			}}
			r := rig{limits: "burst 9", in: numbers(4)}
			r.Work, r.KeepOrder = p, keep
			r.run(t)
			want := "[4 3 2 1]"
			if keep {
				want = "[1 2 3 4]"
			}
			if got := fmt.Sprint(p.order); got != want {
				t.Errorf("keep is %v: published %s, want %s", keep, got, want)
			}
		})
	}
}

// No more jobs run ahead of one that takes long, or of an output that is stuck, than there is room for.
func TestUnpublishedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		p := &published{}
		p.work = func(_ process.Stop, i items.Item) process.Exit {
			begun.Add(1)
			if i.Seq == 1 {
				time.Sleep(time.Hour)
				if ahead := begun.Load() - 1; ahead < mostUnpublished || ahead > mostUnpublished+1 { // one was at its turn
					t.Errorf("%d jobs ran ahead of the first, want %d", ahead, mostUnpublished)
				}
			}
			return process.Exit{Output: output("x")}
		}
		r := rig{limits: "burst 2", in: numbers(3 * mostUnpublished)}
		r.Work, r.KeepOrder = p, true
		r.run(t)
		if len(p.order) != 3*mostUnpublished {
			t.Errorf("%d published", len(p.order))
		}
	})
}

func TestCtrlCWhilePublishingIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{stuck: make(chan struct{})}
		defer close(p.stuck)
		p.work = func(process.Stop, items.Item) process.Exit { return process.Exit{Output: output("x")} }
		r := rig{limits: "1/s", in: numbers(3), interrupts: make(chan struct{}, 3)}
		r.Work = p
		time.AfterFunc(1500*time.Millisecond, func() { r.interrupts <- struct{}{} })
		r.run(t)
		r.check(t, 130, "lines in 3.5s")
	})
}

func log(t *testing.T, name string, resume bool) *joblog.Log {
	t.Helper()
	l, err := joblog.Open(name, resume)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Whatever the run is stopped by and whenever, a run that resumes does each job that is not in the log, and
// none that is.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	for _, keep := range []bool{false, true} {
		name := filepath.Join(dir, fmt.Sprint("log", keep))
		did := make([]atomic.Int64, 11) // how often each job was done
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "burst 2", in: numbers(10), interrupts: make(chan struct{}, 3)}
			r.KeepOrder = keep
			r.Log = log(t, name, false)
			defer r.Log.Close()
			r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
				e := takes(time.Duration(i.Seq)*time.Second)(stop, i)
				if e.Err == nil {
					did[i.Seq].Add(1)
				}
				if i.Seq == 2 {
					return failed(1)
				}
				return e
			})
			time.AfterFunc(6500*time.Millisecond, func() { r.interrupts <- struct{}{} })
			r.run(t)
		})
		if did[1].Load() == 0 || did[10].Load() > 0 {
			t.Fatal("Ctrl-C came too early or too late")
		}
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "burst 2", in: numbers(10)}
			r.Log, r.KeepOrder = log(t, name, true), keep
			defer r.Log.Close()
			r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
				did[i.Seq].Add(1)
				return ok
			})
			r.run(t)
			r.check(t, 0, "done before")
		})
		for seq := 1; seq <= 10; seq++ {
			if n := did[seq].Load(); n != 1 {
				t.Errorf("keep is %v: job %d was done %d times", keep, seq, n)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "burst 2", in: numbers(10)}
			r.Log, r.RetryFailed = log(t, name, true), true
			defer r.Log.Close()
			r.Work = work(func(stop process.Stop, i items.Item) process.Exit {
				if i.Seq != 2 {
					t.Errorf("job %d runs again", i.Seq)
				}
				return ok
			})
			r.run(t)
			r.check(t, 0, "1 line in 0s, 0 failed, 9 done before")
		})
	}
}

func TestResumeWithOtherInput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	for n, in := range []string{"a\nb\n", "a\nc\n"} {
		synctest.Test(t, func(t *testing.T) {
			r := rig{limits: "9/s", in: strings.NewReader(in)}
			r.Log = log(t, name, n > 0)
			defer r.Log.Close()
			r.Work = work(func(process.Stop, items.Item) process.Exit { return ok })
			r.run(t)
			if n > 0 {
				r.check(t, 1, "job 2 had another command in the job log; now it is cmd c")
			}
		})
	}
}

// Closed files make the job log and the state fail.
func TestLogThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := log(t, filepath.Join(t.TempDir(), "log"), false)
		l.Close()
		r := rig{limits: "burst 1", in: numbers(3)}
		r.Log = l
		r.Work = work(func(process.Stop, items.Item) process.Exit { return ok })
		r.run(t)
		r.check(t, 1, "job log: ")
		r.check(t, 1, "flowguard: stopped: ")
		if !errors.Is(l.Write(joblog.Job{}), os.ErrClosed) {
			t.Error("the log is not closed")
		}
	})
}
