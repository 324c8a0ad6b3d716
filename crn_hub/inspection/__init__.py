"""What a data set is like: classes, sizes, colours, rows that look alike, and what is wrong."""
