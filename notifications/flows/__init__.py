"""The flows: one file is one stage is one public function, named by its verb."""
