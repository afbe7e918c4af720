"""Others' systems beside affect-edge: the same input, the same process layout, in turns, each as it is shipped."""
