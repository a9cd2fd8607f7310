package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// prepare gives the command a group of its own, so that it can be sent Ctrl-Break, and does not get the
// Ctrl-C that is meant for us.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// newGroup puts the command into a job object. If that fails, as on a Windows without nested jobs, the
// command is a group alone.
func newGroup(cmd *exec.Cmd) group {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return single{cmd.Process}
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		err = windows.AssignProcessToJobObject(job, process)
		windows.CloseHandle(process)
	}
	if err != nil {
		windows.CloseHandle(job)
		return single{cmd.Process}
	}
	return &jobObject{single{cmd.Process}, job}
}

type jobObject struct {
	single
	job windows.Handle
}

func (j *jobObject) terminate() {
	// Programs without a console do not get it; they are killed when their time is up.
	windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(j.process.Pid))
}

func (j *jobObject) kill() { windows.TerminateJobObject(j.job, 1) }

func (j *jobObject) empty() bool {
	var info struct { // JOBOBJECT_BASIC_ACCOUNTING_INFORMATION
		times     [4]int64
		faults    uint32
		processes uint32
		active    uint32
		ended     uint32
	}
	const basicAccounting = 1 // JobObjectBasicAccountingInformation
	err := windows.QueryInformationJobObject(j.job, basicAccounting, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	return err != nil || info.active == 0
}

func (j *jobObject) close() { windows.CloseHandle(j.job) }

func killedBy(*os.ProcessState) int { return 0 }

func tooLong(err error) bool { return errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) }
