"""The playground: a local web page that shows what is read in a caption and what is drawn for it."""
