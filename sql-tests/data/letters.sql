CREATE TABLE t (a int primary key, b string, index (b), index (a, b))
