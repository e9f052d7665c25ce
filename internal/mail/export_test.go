package mail

// TLSFirst tells whether a Sender begins with TLS.
func TLSFirst(s *Sender) bool { return s.tlsFirst }

// OnPort is a Sender that does the same on another port, since a test cannot listen on those of mail servers.
func OnPort(s *Sender, port int) *Sender {
	c := *s
	c.c.Port = port
	return &c
}
