package sqlite

import "github.com/scimbridge/scimbridge/internal/account"

// Exec runs a statement on the connection below a transaction.
func Exec(t account.Tx, text string) error {
	_, err := t.(*tx).conn.exec(text)
	return err
}

// Plans are the query plans of everything that has run on the connection below a transaction, by text.
func Plans(t account.Tx) (map[string][]string, error) {
	c := t.(*tx).conn
	plans := map[string][]string{}
	var texts []string
	for text := range c.texts {
		texts = append(texts, text)
	}
	for _, text := range texts {
		if err := c.rows("EXPLAIN QUERY PLAN "+text, nil, func(s *stmt) error {
			plans[text] = append(plans[text], s.text(3))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return plans, nil
}
