// Go's os/exec package. A goroutine waits for each child, as is usual there.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type question func(program string, count, width int64) (elapsed time.Duration, err error)

var errNotAll = errors.New("the program failed, or not all came")

func inLanes(one func(program string) error, program string, count, width int64) (time.Duration, error) {
	var group sync.WaitGroup
	var mutex sync.Mutex
	var failed error
	left := count
	next := func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		left--
		return left >= 0 && failed == nil
	}
	begin := time.Now()
	for n := int64(0); n < width; n++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for next() {
				if err := one(program); err != nil {
					mutex.Lock()
					failed = err
					mutex.Unlock()
				}
			}
		}()
	}
	group.Wait()
	return time.Since(begin), failed
}

func started(program string) error {
	child := exec.Command(program)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	return child.Run()
}

func captured(program string) error {
	child := exec.Command(program)
	child.Stdin, child.Stderr = os.Stdin, os.Stderr
	_, err := child.Output()
	return err
}

func start(program string, count, width int64) (time.Duration, error) {
	return inLanes(started, program, count, width)
}

func capture(program string, count, width int64) (time.Duration, error) {
	return inLanes(captured, program, count, width)
}

func pipe(program string, count, width int64) (time.Duration, error) {
	begin := time.Now()
	child := exec.Command(program, "bytes", strconv.FormatInt(count, 10))
	out, err := child.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err = child.Start(); err != nil {
		return 0, err
	}
	buffer := make([]byte, width)
	total := int64(0)
	for {
		n, err := out.Read(buffer)
		total += int64(n)
		if err == io.EOF {
			break
		} else if err != nil {
			return 0, err
		}
	}
	elapsed := time.Since(begin)
	if err = child.Wait(); err == nil && total != count {
		err = errNotAll
	}
	return elapsed, err
}

func lines(program string, count, width int64) (time.Duration, error) {
	begin := time.Now()
	child := exec.Command(program, "lines", strconv.FormatInt(count, 10), strconv.FormatInt(width, 10))
	out, err := child.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err = child.Start(); err != nil {
		return 0, err
	}
	scanner := bufio.NewScanner(out)
	total := int64(0)
	for scanner.Scan() {
		_ = scanner.Bytes()
		total++
	}
	elapsed := time.Since(begin)
	if err = child.Wait(); err == nil && total != count {
		err = errNotAll
	}
	return elapsed, err
}

func communicate(program string, count, width int64) (time.Duration, error) {
	data := bytes.Repeat([]byte("i"), int(width))
	var elapsed time.Duration
	for n := int64(0); n < count; n++ {
		begin := time.Now()
		child := exec.Command(program)
		child.Stdin = bytes.NewReader(data)
		out, err := child.Output()
		elapsed += time.Since(begin)
		if err != nil {
			return 0, err
		}
		if int64(len(out)) != width {
			return 0, errNotAll
		}
	}
	return elapsed, nil
}

var ballast []byte
var descriptors []*os.File

func become(mib, count int) error {
	const noHugePage = 15
	if ballast != nil {
		_ = syscall.Munmap(ballast)
		ballast = nil
	}
	for _, file := range descriptors {
		file.Close()
	}
	descriptors = nil
	for n := 0; n < count; n++ {
		file, err := os.Open("/dev/null")
		if err != nil {
			return err
		}
		descriptors = append(descriptors, file)
	}
	if mib == 0 {
		debug.FreeOSMemory()
		return nil
	}
	memory, err := syscall.Mmap(-1, 0, mib<<20, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	_ = syscall.Madvise(memory, noHugePage)
	for at := 0; at < len(memory); at += 4096 {
		memory[at] = 1
	}
	ballast = memory
	return nil
}

func queuePutGet(_ string, count, width int64) (time.Duration, error) {
	items := make(chan int64, width)
	total := int64(0)
	begin := time.Now()
	for n := int64(0); n != count; n++ {
		items <- n
		total += <-items
	}
	elapsed := time.Since(begin)
	if total != count*(count-1)/2 {
		return 0, errNotAll
	}
	return elapsed, nil
}

// On one thread, as the other contestants.
func queueHandOver(_ string, count, width int64) (time.Duration, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	items := make(chan int64, width)
	total := int64(0)
	begin := time.Now()
	go func() {
		for n := int64(0); n != count; n++ {
			items <- n
		}
	}()
	for n := int64(0); n != count; n++ {
		total += <-items
	}
	elapsed := time.Since(begin)
	if total != count*(count-1)/2 {
		return 0, errNotAll
	}
	return elapsed, nil
}

func main() {
	questions := map[string]question{
		"start": start, "capture": capture, "pipe": pipe, "lines": lines, "communicate": communicate,
		"queue_put_get": queuePutGet, "queue_hand_over": queueHandOver,
	}
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		words := strings.Fields(requests.Text())
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "hello":
			var names []string
			for name := range questions {
				names = append(names, name)
			}
			fmt.Printf("ok Go %s;%s\n", strings.TrimPrefix(runtime.Version(), "go"), strings.Join(names, ","))
		case "host":
			mib, _ := strconv.Atoi(words[1])
			count, _ := strconv.Atoi(words[2])
			if err := become(mib, count); err != nil {
				fmt.Printf("error %v\n", err)
			} else {
				fmt.Println("ok 0")
			}
		default:
			count, _ := strconv.ParseInt(words[2], 10, 64)
			width, _ := strconv.ParseInt(words[3], 10, 64)
			elapsed, err := questions[words[0]](words[1], count, width)
			if err != nil {
				fmt.Printf("error %v\n", err)
			} else {
				fmt.Printf("ok %d 0\n", elapsed.Nanoseconds())
			}
		}
	}
}
