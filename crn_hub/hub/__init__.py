"""Models as folders and on the Hub: loading, saving, pushing, cards; and files of data sets and networks from there."""
