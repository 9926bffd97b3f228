"""Results in the forms of others: a folder for the Hugging Face hub, a network as ONNX."""
