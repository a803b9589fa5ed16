// Package sim is a driver over a simulated system: the native driver's loops, as they are, over
// sockets that exist in memory only, on one goroutine, with a virtual clock, and with faults drawn from a
// seed. Equal seeds and scripts give equal runs.
//
// Terms. A World is the driver with its system and its peers. A Peer is the far end of a
// connection; scripts tell it what to do. A step is one thing that happens: a loop takes a
// turn, bytes of one connection move in one direction, or a function that is due runs. Which of those that
// can happen does happen is drawn from the seed.
//
//	w := sim.New(sim.Options{Seed: 1, Main: func(w *sim.World) {
//		p := w.Dial()
//		p.Send([]byte("hello"))
//		w.Settle()             // until nothing can happen without time passing
//		w.Advance(time.Minute) // with all ticks and timers in it
//		fmt.Printf("%s\n", p.Read())
//	}})
//	err := w.Serve(newHandler)
//
// What the handler's side dials comes to OnDial. Driver is the world as a poller.Dialer.
//
// Everything happens on the goroutine that called Serve, inside the methods of World: callbacks of
// the Handler, callbacks of peers, functions given to After and Go. Other goroutines may call
// Loop.Wake, Stop and StopAccepting and nothing else; a run in which they do is not repeatable.
//
// Faults (type Faults) each have a name and a probability. Options.Fail is for sweeps: it may fail
// any system call, by its kind and number, with any of Errnos.
//
// What the simulated system does on purpose like Linux: TCP's ends (FIN, RST, half-closed, half-open), the
// errors of reads and writes after them, level-triggered readiness, hang-ups, bounded buffers, descriptor numbers
// that are used again at once. docs/simulation.md says what it leaves out.
package sim
