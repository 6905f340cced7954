"""Every network on a GPU with Keras on JAX. Begin with `__main__`, which names the stages; one module for each."""
