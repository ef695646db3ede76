"""The playground: a local web page that shows the scene graph of a caption and the images generated from it."""
