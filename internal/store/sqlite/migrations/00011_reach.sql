-- +goose Up
-- Which migration a program has to know at least, so that it may work with these tables. What is only added hinders no
-- older one and leaves this as it is; what an older one would do wrong raises it to its own number.
CREATE TABLE schema_reach (least INTEGER NOT NULL) STRICT;
INSERT INTO schema_reach (least) VALUES (11);
