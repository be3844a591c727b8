-- The schema of customers.csv, for IMPORT TABLE ... CREATE USING.
CREATE TABLE customers (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name TEXT,
    INDEX name_idx (name)
);
